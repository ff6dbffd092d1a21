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

constexpr int kSearchedNodes = 6;
constexpr std::int64_t kSearchSteps = 50'000;

/// Looks for a placement above given survival counts: expert after expert, ascending, every choice
/// of hosts up to exchanging nodes that hold the same experts so far. Counts only fall when an
/// expert is added, so a part that is not above the goal already is left.
class BetterPlacement {
 public:
  BetterPlacement(int nodes, int slots, std::vector<std::int32_t> replicas,
                  std::vector<std::int64_t> goal)
      : nodes_(nodes), replicas_(std::move(replicas)), goal_(std::move(goal)) {
    std::sort(replicas_.begin(), replicas_.end());
    room_.fill(slots);
    for (std::size_t lost = 0; lost < losses(); ++lost) {
      for (std::size_t set = 0; set < losses(); ++set) {
        if ((set & ~lost) == 0) fatal_[set] |= std::uint64_t{1} << lost;
      }
    }
  }

  /// Empty when the steps did not suffice.
  std::optional<bool> exists() {
    const std::uint64_t all =
        losses() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << losses()) - 1;
    const bool found = above(0, all);
    if (!found && steps_ > kSearchSteps) return std::nullopt;
    return found;
  }

 private:
  using Room = std::array<std::int32_t, kSearchedNodes>;
  using Twins = std::array<std::uint8_t, kSearchedNodes>;  // like node - 1 so far

  std::size_t losses() const { return std::size_t{1} << nodes_; }

  bool beats_goal(std::uint64_t alive) const {
    std::array<std::int64_t, kSearchedNodes + 1> counts{};
    for (std::size_t lost = 0; lost < losses(); ++lost) {
      counts[static_cast<std::size_t>(count_bits(lost))] += (alive >> lost) & 1;
    }
    return std::lexicographical_compare(goal_.begin(), goal_.end(), counts.begin(),
                                        counts.begin() + nodes_ + 1);
  }

  bool above(std::size_t expert, std::uint64_t alive) {
    if (!beats_goal(alive)) return false;
    if (expert == replicas_.size()) return true;
    if (++steps_ > kSearchSteps || !seen_.emplace(expert, alive, room_, twins_).second)
      return false;
    const int most = std::min(replicas_[expert], nodes_);
    for (std::size_t set = losses() - 1; set > 0; --set) {
      if (count_bits(set) > most || !fits(set)) continue;
      const Twins before = twins_;
      take(set, 1);
      for (std::size_t n = 1; n < twins_.size(); ++n) {
        if (((set >> n) & 1) != ((set >> (n - 1)) & 1)) twins_[n] = 0;
      }
      const bool found = above(expert + 1, alive & ~fatal_[set]);
      twins_ = before;
      take(set, -1);
      if (found) return true;
    }
    return false;
  }

  /// Room on all its nodes, and of equal nodes the first ones.
  bool fits(std::size_t set) const {
    for (std::size_t n = 0; n < static_cast<std::size_t>(nodes_); ++n) {
      if (((set >> n) & 1) == 0) continue;
      if (room_[n] == 0) return false;
      if (n > 0 && twins_[n] != 0 && ((set >> (n - 1)) & 1) == 0) return false;
    }
    return true;
  }
  void take(std::size_t set, std::int32_t slots) {
    for (std::size_t n = 0; n < static_cast<std::size_t>(nodes_); ++n) {
      if (((set >> n) & 1) != 0) room_[n] -= slots;
    }
  }

  int nodes_;
  std::vector<std::int32_t> replicas_;
  std::vector<std::int64_t> goal_;
  Room room_{};
  Twins twins_{0, 1, 1, 1, 1, 1};
  std::array<std::uint64_t, std::size_t{1} << kSearchedNodes> fatal_{};
  std::set<std::tuple<std::size_t, std::uint64_t, Room, Twins>> seen_;
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
