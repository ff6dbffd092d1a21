#include "sim/placement/survival_search.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace bethany {
namespace {

/// One neighbour: `expert` leaves `node` for `other_node` (-1: for none), and `other_expert`
/// (-1: none) takes its place, leaving `other_node` if that is given.
struct Move {
  int expert = 0;
  int node = 0;
  int other_expert = -1;
  int other_node = -1;
};

void apply(HostPlan& plan, const Move& move) {
  plan.remove(move.expert, move.node);
  if (move.other_expert >= 0) {
    if (move.other_node >= 0) plan.remove(move.other_expert, move.other_node);
    plan.add(move.other_expert, move.node);
  }
  if (move.other_node >= 0) plan.add(move.expert, move.other_node);
  plan.fill();
}

/// The first node of every class of nodes with the same experts.
std::vector<int> unlike_nodes(const HostPlan& plan) {
  std::vector<std::vector<std::uint64_t>> columns;
  std::vector<int> nodes;
  const std::size_t words = words_for(static_cast<std::size_t>(plan.experts()));
  for (int node = 0; node < plan.nodes(); ++node) {
    std::vector<std::uint64_t> column(words);
    for (int e = 0; e < plan.experts(); ++e) {
      if (plan.hosts(e, node)) set_bit(column.data(), static_cast<std::size_t>(e));
    }
    if (std::find(columns.begin(), columns.end(), column) != columns.end()) continue;
    columns.push_back(std::move(column));
    nodes.push_back(node);
  }
  return nodes;
}

/// The first expert of every class with the same hosts and replicas.
std::vector<int> unlike_experts(const HostPlan& plan) {
  const auto& hosts = plan.host_bits();
  std::vector<int> experts;
  for (int e = 0; e < plan.experts(); ++e) {
    const std::uint64_t* set = hosts.set(static_cast<std::size_t>(e));
    const bool known = std::any_of(experts.begin(), experts.end(), [&](int other) {
      return plan.replicas(other) == plan.replicas(e) &&
             std::equal(set, set + hosts.words, hosts.set(static_cast<std::size_t>(other)));
    });
    if (!known) experts.push_back(e);
  }
  return experts;
}

class Neighbours {
 public:
  Neighbours(const HostPlan& plan, std::int64_t& work)
      : plan_(plan),
        work_(work),
        nodes_(unlike_nodes(plan)),
        experts_(unlike_experts(plan)),
        profile_(plan.host_bits()) {
    work_ -= std::int64_t{plan.nodes()} * plan.experts();
  }

  /// The best plan among the neighbours that are better than the plan; empty when none is.
  std::optional<HostPlan> best() {
    for (const int expert : experts_) {
      for (const int node : nodes_) {
        if (!plan_.hosts(expert, node)) continue;
        for (const int other : nodes_) move(expert, node, other);
        for (const int other : experts_) hand_over(expert, node, other);
        if (work_ <= 0) return std::move(best_);
      }
    }
    return std::move(best_);
  }

 private:
  void move(int expert, int node, int other) {
    if (plan_.hosts(expert, other)) return;
    if (plan_.room(other) > 0) consider({expert, node, -1, other});
    // A pair of experts is looked at from the lower one.
    for (const int second : experts_) {
      if (second > expert && plan_.hosts(second, other) && !plan_.hosts(second, node)) {
        consider({expert, node, second, other});
      }
    }
  }
  void hand_over(int expert, int node, int other) {
    if (plan_.host_count(expert) < 2 || !plan_.waits(other) || plan_.hosts(other, node)) return;
    consider({expert, node, other, -1});
  }

  void consider(const Move& move) {
    if (work_ <= 0) return;
    HostPlan moved = plan_;
    apply(moved, move);
    SurvivalProfile profile(moved.host_bits());
    auto& goal = best_profile_ ? *best_profile_ : profile_;
    const auto before = goal.work();
    const bool better = rank(profile, goal) == Ranking::first;
    // Copying and filling a plan takes about as long as a few passes over its bits.
    work_ -= profile.work() + goal.work() - before +
             4 * static_cast<std::int64_t>(plan_.host_bits().bits.size()) + plan_.nodes() + 64;
    if (!better) return;
    best_ = std::move(moved);
    best_profile_ = std::move(profile);
  }

  const HostPlan& plan_;
  std::int64_t& work_;
  std::vector<int> nodes_;
  std::vector<int> experts_;
  SurvivalProfile profile_;
  std::optional<HostPlan> best_;
  std::optional<SurvivalProfile> best_profile_;
};

}  // namespace

void climb(HostPlan& plan, std::int64_t& work) {
  while (work > 0) {
    auto better = Neighbours(plan, work).best();
    if (!better) return;
    plan = std::move(*better);
  }
}

}  // namespace bethany
