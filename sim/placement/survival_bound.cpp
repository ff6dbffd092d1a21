#include "sim/placement/survival_bound.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/placement/set_components.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostAllocations = 100'000;

/// U for one number of losses. `at[j]` is C(nodes - groups - k + 1 + j, j), the ways of the
/// innermost level, where the losses among j + (survivors left) nodes are counted.
class BoundForLosses {
 public:
  BoundForLosses(int nodes, int losses) : survivors_(nodes - losses), losses_(losses) {}

  UInt128 count(std::span<const std::int32_t> sizes) {
    const auto levels = static_cast<int>(sizes.size());
    // Each level has used up one survivor; the last needs one of its own.
    const int last_survivors = survivors_ - (levels - 1);
    if (last_survivors < 1) return 0;
    const auto last = static_cast<std::size_t>(sizes.back());
    const auto n = static_cast<std::size_t>(losses_) + 1;
    // C(last_survivors + j, j) for j = 0..losses, by Pascal's rule along the diagonal.
    value_.assign(n, 0);
    for (std::size_t j = 0; j < n; ++j) value_[j] = ways(last_survivors, j);
    for (std::size_t j = n; j-- > last;) value_[j] -= ways(last_survivors, j - last);
    for (int level = levels - 2; level >= 0; --level) {
      // Windows of the last g values. Sums wrap around on the way; the results fit.
      const auto g = static_cast<std::size_t>(sizes[static_cast<std::size_t>(level)]);
      sums_.assign(n + 1, 0);
      for (std::size_t j = 0; j < n; ++j) sums_[j + 1] = sums_[j] + value_[j];
      for (std::size_t j = 0; j < n; ++j) {
        value_[j] = sums_[j + 1] - (j + 1 > g ? sums_[j + 1 - g] : UInt128{0});
      }
    }
    return value_.back();
  }

 private:
  /// C(survivors + j, j).
  UInt128 ways(int survivors, std::size_t j) {
    if (ways_of_ != survivors) {
      ways_of_ = survivors;
      ways_.assign(static_cast<std::size_t>(losses_) + 1, 1);
      for (int r = 0; r < survivors; ++r) {
        for (std::size_t i = 1; i < ways_.size(); ++i) ways_[i] += ways_[i - 1];
      }
    }
    return ways_[j];
  }

  int survivors_;
  int losses_;
  int ways_of_ = -1;
  std::vector<UInt128> ways_;
  std::vector<UInt128> value_;
  std::vector<UInt128> sums_;
};

/// Visits all g_1 <= … <= g_G that no other one exceeds everywhere in its last size.
template <class Visit>
bool each_allocation(int nodes, int slots, int experts, Visit visit) {
  const auto groups = static_cast<std::size_t>((experts + slots - 1) / slots);
  const int in_last = experts - slots * static_cast<int>(groups - 1);
  std::vector<std::int32_t> sizes(groups);
  std::int64_t visited = 0;
  // Depth first; `left` slots for groups from `at` on, none smaller than the one before.
  const auto go = [&](const auto& self, std::size_t at, std::int64_t left) -> bool {
    const std::int32_t least = at == 0 ? 1 : sizes[at - 1];
    if (at + 1 == groups) {
      sizes[at] = static_cast<std::int32_t>(std::min<std::int64_t>(left / in_last, nodes));
      if (++visited > kMostAllocations) return false;
      visit(sizes);
      return true;
    }
    const std::int64_t lanes = static_cast<std::int64_t>(groups - 1 - at) * slots + in_last;
    for (std::int32_t g = least; g * lanes <= left && g <= nodes; ++g) {
      sizes[at] = g;
      if (!self(self, at + 1, left - std::int64_t{g} * slots)) return false;
    }
    return true;
  };
  return go(go, 0, std::int64_t{nodes} * slots);
}

}  // namespace

std::vector<std::int32_t> group_representatives(std::span<const std::int32_t> replicas,
                                                int slots_per_node) {
  std::vector<std::int32_t> ascending(replicas.begin(), replicas.end());
  std::sort(ascending.begin(), ascending.end());
  std::vector<std::int32_t> sizes;
  for (std::size_t i = 0; i < ascending.size(); i += static_cast<std::size_t>(slots_per_node)) {
    sizes.push_back(ascending[i]);
  }
  return sizes;
}

std::optional<std::vector<UInt128>> survival_bound(int nodes,
                                                   std::span<const std::int32_t> representatives,
                                                   int k_max) {
  auto bound = binomials(nodes, k_max);
  if (!bound || representatives.empty()) return bound;
  for (std::size_t k = 0; k < bound->size(); ++k) {
    (*bound)[k] = BoundForLosses(nodes, static_cast<int>(k)).count(representatives);
  }
  return bound;
}

std::optional<std::vector<UInt128>> survival_bound_of_any_counts(int nodes, int slots_per_node,
                                                                 int experts, int k_max) {
  BETHANY_CHECK(experts <= std::int64_t{nodes} * slots_per_node, "{} experts for {} x {} slots",
                experts, nodes, slots_per_node);
  auto best = binomials(nodes, k_max);
  if (!best || experts == 0) return best;
  std::vector<BoundForLosses> by_losses;
  for (std::size_t k = 0; k < best->size(); ++k) {
    by_losses.emplace_back(nodes, static_cast<int>(k));
    (*best)[k] = 0;
  }
  const bool all = each_allocation(nodes, slots_per_node, experts, [&](const auto& sizes) {
    for (std::size_t k = 0; k < best->size(); ++k) {
      (*best)[k] = std::max((*best)[k], by_losses[k].count(sizes));
    }
  });
  if (!all) return std::nullopt;
  return best;
}

}  // namespace bethany
