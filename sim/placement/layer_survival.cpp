#include "sim/placement/layer_survival.h"

#include <algorithm>
#include <utility>

#include "sim/placement/overlap_starts.h"
#include "sim/placement/survival_search.h"

namespace bethany {
namespace {

/// Best first, as far as rank() tells: by insertion, because it may leave pairs open and is then no
/// order to sort by.
std::vector<std::size_t> best_first(std::vector<SurvivalProfile>& profiles) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    auto at = order.end();
    while (at != order.begin() && rank(profiles[i], profiles[*(at - 1)]) == Ranking::first) --at;
    order.insert(at, i);
  }
  return order;
}

}  // namespace

std::size_t first_unbeaten(std::vector<SurvivalProfile>& profiles) {
  // Open pairs make "seen to beat" less than an order, but each change is a gain in the true one,
  // so that this ends.
  std::size_t best = 0;
  for (std::size_t i = 0; i < profiles.size();) {
    if (rank(profiles[i], profiles[best]) == Ranking::first) {
      best = i;
      i = 0;
    } else {
      ++i;
    }
  }
  return best;
}

HostPlan largest_survival(const std::vector<HostPlan>& starts, std::int64_t work) {
  std::vector<HostPlan> plans = starts;
  const auto& first = plans.front();
  std::vector<std::int32_t> replicas;
  for (int e = 0; e < first.experts(); ++e) replicas.push_back(first.replicas(e));
  std::vector<HostBits> families;
  std::vector<HostPlan> unlike;
  const auto add = [&](HostPlan plan) {
    auto sets = minimal_sets(plan.host_bits());
    if (std::find(families.begin(), families.end(), sets) != families.end()) return;
    families.push_back(std::move(sets));
    unlike.push_back(std::move(plan));
  };
  for (auto& plan : overlap_starts(first.nodes(), first.slots(), replicas)) {
    plans.push_back(std::move(plan));
  }
  for (auto& plan : plans) add(std::move(plan));

  std::vector<SurvivalProfile> profiles;
  profiles.reserve(unlike.size());
  for (const auto& family : families) {
    profiles.emplace_back(family);
  }
  for (const std::size_t i : best_first(profiles)) {
    if (work <= 0) break;
    climb(unlike[i], work);
    profiles[i] = SurvivalProfile(unlike[i].host_bits());
  }
  return std::move(unlike[first_unbeaten(profiles)]);
}

}  // namespace bethany
