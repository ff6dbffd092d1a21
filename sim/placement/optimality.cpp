#include "sim/placement/optimality.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "sim/placement/host_bits.h"
#include "sim/placement/survival_bound.h"
#include "sim/placement/survival_order.h"

namespace bethany {
namespace {

constexpr int kSearchedNodes = 8;
/// Choices of hosts that are looked at, some tens of milliseconds.
constexpr std::int64_t kSearchSteps = 200'000;

/// Looks for a placement above given survival counts: expert after expert, ascending, every choice
/// of hosts up to exchanging nodes that hold the same experts so far. Counts only fall when an
/// expert is added, so a part that is not above the goal already is left.
class BetterPlacement {
 public:
  BetterPlacement(int nodes, int slots, std::vector<std::int32_t> replicas,
                  std::vector<std::int64_t> goal)
      : nodes_(static_cast<std::size_t>(nodes)),
        replicas_(std::move(replicas)),
        goal_(std::move(goal)),
        fatal_(losses()) {
    std::sort(replicas_.begin(), replicas_.end());
    std::fill_n(room_.begin(), nodes_, slots);
    twins_.fill(1);
    for (std::size_t lost = 0; lost < losses(); ++lost) {
      set_bit(all_.data(), lost);
      set_bit(of_size_[static_cast<std::size_t>(count_bits(lost))].data(), lost);
      for (std::size_t set = 0; set < losses(); ++set) {
        if ((set & ~lost) == 0) set_bit(fatal_[set].data(), lost);
      }
    }
  }

  /// Empty when the steps did not suffice.
  std::optional<bool> exists() {
    const bool found = above(0, all_);
    if (!found && steps_ > kSearchSteps) return std::nullopt;
    return found;
  }

 private:
  /// A bit for every set of lost nodes.
  using Losses = std::array<std::uint64_t, (std::size_t{1} << kSearchedNodes) / kBitsPerWord>;
  using Room = std::array<std::int32_t, kSearchedNodes>;
  using Twins = std::array<std::uint8_t, kSearchedNodes>;  // node n is like node n - 1 so far

  std::size_t losses() const { return std::size_t{1} << nodes_; }
  std::size_t words() const { return words_for(losses()); }

  /// Whether the losses that are survived beat the goal.
  bool beats_goal(const Losses& alive) const {
    for (std::size_t k = 0; k <= nodes_; ++k) {
      std::int64_t count = 0;
      for (std::size_t w = 0; w < words(); ++w) count += count_bits(alive[w] & of_size_[k][w]);
      if (count != goal_[k]) return count > goal_[k];
    }
    return false;
  }

  /// Whether the experts from `expert` on can be placed so that the goal is beaten.
  bool above(std::size_t expert, const Losses& alive) {
    if (expert == replicas_.size()) return true;
    if (!seen_.emplace(expert, alive, room_).second) return false;
    for (std::size_t set = losses() - 1; set > 0 && steps_ <= kSearchSteps; --set) {
      if (count_bits(set) > replicas_[expert] || !fits(set)) continue;
      ++steps_;
      Losses left = alive;
      for (std::size_t w = 0; w < words(); ++w) left[w] &= ~fatal_[set][w];
      if (!beats_goal(left)) continue;
      const Twins before = twins_;
      take(set, 1);
      for (std::size_t n = 1; n < nodes_; ++n) {
        if (((set >> n) & 1) != ((set >> (n - 1)) & 1)) twins_[n] = 0;
      }
      const bool found = above(expert + 1, left);
      twins_ = before;
      take(set, -1);
      if (found) return true;
    }
    return false;
  }

  /// Room on all its nodes, and of equal nodes the first ones.
  bool fits(std::size_t set) const {
    for (std::size_t n = 0; n < nodes_; ++n) {
      if (((set >> n) & 1) == 0) continue;
      if (room_[n] == 0) return false;
      if (n > 0 && twins_[n] != 0 && ((set >> (n - 1)) & 1) == 0) return false;
    }
    return true;
  }
  void take(std::size_t set, std::int32_t slots) {
    for (std::size_t n = 0; n < nodes_; ++n) {
      if (((set >> n) & 1) != 0) room_[n] -= slots;
    }
  }

  std::size_t nodes_;
  std::vector<std::int32_t> replicas_;
  std::vector<std::int64_t> goal_;
  Room room_{};
  Twins twins_{};
  Losses all_{};
  std::array<Losses, kSearchedNodes + 1> of_size_{};
  std::vector<Losses> fatal_;  // by host set
  std::set<std::tuple<std::size_t, Losses, Room>> seen_;
  std::int64_t steps_ = 0;
};

bool meets_bound(const HostBits& sets, const std::vector<std::int32_t>& sizes) {
  const auto sum = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  if (sum <= sets.nodes) {
    std::vector<HostSet> groups(sizes.size());
    std::int32_t node = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      for (std::int32_t j = 0; j < sizes[i]; ++j) groups[i].push_back(node++);
    }
    SurvivalProfile best(host_bits(sets.nodes, groups));
    SurvivalProfile ours(sets);
    return rank(ours, best) == Ranking::equal;
  }
  const auto bound = survival_bound(sets.nodes, sizes, sets.nodes);
  if (!bound) return false;
  if (sets.nodes <= kWholeNodes) {
    const auto counts = count_by_enumeration(sets);
    return std::equal(counts.begin(), counts.end(), bound->begin(),
                      [](auto count, auto most) { return static_cast<UInt128>(count) == most; });
  }
  const auto counts = survivor_counts(sets.nodes, host_sets(sets), sets.nodes);
  return counts && *counts == *bound;
}

}  // namespace

std::string_view name_of(Optimality optimality) {
  if (optimality == Optimality::proven) return "proven";
  return optimality == Optimality::enumerated ? "enumerated" : "unknown";
}

Optimality certify(const PlacementPlan& plan, int layer) {
  const auto& of = plan.layers[static_cast<std::size_t>(layer)];
  const auto sets =
      minimal_sets(hosts_of_rows(plan.nodes, plan.slots_per_node, plan.experts, of.expert_of_slot));
  if (meets_bound(sets, group_representatives(of.replicas, plan.slots_per_node))) {
    return Optimality::proven;
  }
  if (plan.nodes > kSearchedNodes) return Optimality::unknown;
  BetterPlacement search(plan.nodes, plan.slots_per_node, of.replicas, count_by_enumeration(sets));
  return search.exists() == false ? Optimality::enumerated : Optimality::unknown;
}

}  // namespace bethany
