#include "sim/placement/core_plan.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

using ScaledLoads = std::vector<std::vector<std::int64_t>>;

/// The layer whose hottest expert has the largest share first: it decides soonest that a family
/// cannot be balanced.
std::vector<int> most_skewed_first(const ScaledLoads& loads) {
  std::vector<double> share;
  for (const auto& layer : loads) {
    const auto sum = std::accumulate(layer.begin(), layer.end(), std::int64_t{0});
    share.push_back(static_cast<double>(*std::max_element(layer.begin(), layer.end())) /
                    static_cast<double>(sum));
  }
  std::vector<int> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return share[static_cast<std::size_t>(a)] > share[static_cast<std::size_t>(b)];
  });
  return order;
}

ScaledLoads all_scaled(const LoadMatrix& loads) {
  ScaledLoads scaled;
  for (int l = 0; l < loads.layers; ++l) scaled.push_back(scaled_loads(loads.row(l)));
  return scaled;
}

std::optional<CorePlan> plan_on(const PlacementShape& shape, const ScaledLoads& loads,
                                const CoreFamily& family, const CoreOptions& options,
                                std::optional<double> limit) {
  const auto layout = lanes_in_blocks(shape, gpu_lanes(shape, family));
  CorePlan plan{.family = family, .layers = {}, .worst_max_over_mean = 1};
  plan.layers.resize(loads.size());
  for (const int layer : most_skewed_first(loads)) {
    const auto l = static_cast<std::size_t>(layer);
    plan.layers[l] = free_core_layer(layout, loads[l], options.drop);
    plan.worst_max_over_mean = std::max(plan.worst_max_over_mean, plan.layers[l].max_over_mean);
    if (limit && plan.worst_max_over_mean > *limit) return std::nullopt;
  }
  return plan;
}

/// max/mean of the layer that is hardest to balance, by family; the later ones are left out once
/// one is balanced enough whatever the others reach.
std::vector<double> hardest_layer(const PlacementShape& shape, const ScaledLoads& loads,
                                  const std::vector<CoreFamily>& families,
                                  const CoreOptions& options) {
  const ScaledLoads hardest{loads[static_cast<std::size_t>(most_skewed_first(loads).front())]};
  std::vector<double> result;
  for (const auto& family : families) {
    result.push_back(plan_on(shape, hardest, family, options, {})->worst_max_over_mean);
    if (result.back() <= kCoreBalance) break;
  }
  return result;
}

/// The choice when no family is within kCoreBalance of what the hardest layer allows: then the best
/// worst layer decides what is near enough. Begins with the family that promises most, so that the
/// others are given up soon.
CorePlan best_of_all(const PlacementShape& shape, const ScaledLoads& loads,
                     const std::vector<CoreFamily>& families, const std::vector<double>& hardest,
                     const CoreOptions& options) {
  const auto promising =
      static_cast<std::size_t>(std::min_element(hardest.begin(), hardest.end()) - hardest.begin());
  auto first = *plan_on(shape, loads, families[promising], options, {});
  double limit = first.worst_max_over_mean * kCoreBalance;
  std::vector<CorePlan> plans;
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (i == promising) {
      plans.push_back(std::move(first));
      continue;
    }
    if (i < hardest.size() && hardest[i] > limit) continue;
    auto plan = plan_on(shape, loads, families[i], options, limit);
    if (!plan) continue;
    limit = std::min(limit, plan->worst_max_over_mean * kCoreBalance);
    plans.push_back(std::move(*plan));
  }
  return std::move(*std::find_if(plans.begin(), plans.end(), [&](const CorePlan& plan) {
    return plan.worst_max_over_mean <= limit;
  }));
}

}  // namespace

ReplicaRows CorePlan::replicas() const {
  ReplicaRows rows;
  for (const auto& layer : layers) {
    rows.emplace_back();
    for (const auto& gpus : layer.gpus) {
      rows.back().push_back(static_cast<std::int32_t>(gpus.size()));
    }
  }
  return rows;
}

LayerRows CorePlan::rows(const PlacementShape& shape) const {
  const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
  LayerRows rows;
  std::vector<std::size_t> used(static_cast<std::size_t>(shape.ranks()));
  for (const auto& layer : layers) {
    rows.emplace_back(static_cast<std::size_t>(shape.slots()), kVacant);
    std::fill(used.begin(), used.end(), 0);
    for (std::size_t e = 0; e < layer.gpus.size(); ++e) {
      for (const auto gpu : layer.gpus[e]) {
        const auto g = static_cast<std::size_t>(gpu);
        BETHANY_CHECK(used[g] < slots, "more experts than slots on GPU {}", gpu);
        rows.back()[g * slots + used[g]++] = static_cast<std::int32_t>(e);
      }
    }
  }
  return rows;
}

std::vector<CoreFamily> core_families(const PlacementShape& shape, Overlaps overlaps) {
  auto families =
      disjoint_families(shape.nodes, shape.slots_per_node(), shape.experts, shape.domain_of_node);
  for (auto& family : overlapping_families(shape, overlaps)) families.push_back(std::move(family));
  std::stable_sort(families.begin(), families.end(), survives_more);
  const auto least = static_cast<std::size_t>(shape.effective_fault_threshold());
  const auto keeps = [&](const CoreFamily& family) { return family.sets.front().size() >= least; };
  if (std::any_of(families.begin(), families.end(), keeps)) {
    families.erase(std::remove_if(families.begin(), families.end(),
                                  [&](const CoreFamily& family) { return !keeps(family); }),
                   families.end());
  }
  return families;
}

std::optional<CorePlan> core_plan_on(const PlacementShape& shape, const LoadMatrix& loads,
                                     const CoreFamily& family, const CoreOptions& options,
                                     std::optional<double> limit) {
  return plan_on(shape, all_scaled(loads), family, options, limit);
}

CoreOptions read_core_options(ObjectReader& options) {
  return {.drop = options.boolean("drop", false),
          .groups = static_cast<int>(options.integer("groups", 0, 1'000'000, 0))};
}

namespace {

/// Leaves the families of that many disjoint groups, if there are any.
void keep_groups(std::vector<CoreFamily>& families, int groups) {
  std::vector<CoreFamily> kept;
  for (const auto& family : families) {
    std::size_t nodes = 0;
    std::set<std::int32_t> different;
    for (const auto& set : family.sets) {
      nodes += set.size();
      different.insert(set.begin(), set.end());
    }
    if (family.sets.size() == static_cast<std::size_t>(groups) && different.size() == nodes) {
      kept.push_back(family);
    }
  }
  if (!kept.empty()) families = std::move(kept);
}

CorePlan chosen_plan(const PlacementShape& shape, const LoadMatrix& loads,
                     const CoreOptions& options) {
  const auto scaled = all_scaled(loads);
  auto families = core_families(shape);
  if (options.groups > 0) keep_groups(families, options.groups);
  const auto hardest = hardest_layer(shape, scaled, families, options);
  // max/mean is never below 1, and where all were looked at, no worst layer is below the least.
  const double least =
      hardest.size() < families.size() ? 1 : *std::min_element(hardest.begin(), hardest.end());
  for (std::size_t i = 0; i < families.size(); ++i) {
    const double limit = least * kCoreBalance;
    if (i < hardest.size() && hardest[i] > limit) continue;
    auto plan = plan_on(shape, scaled, families[i], options, limit);
    if (plan) return std::move(*plan);
  }
  return best_of_all(shape, scaled, families, hardest, options);
}

/// A question and its answer. The allocation and the placement of a policy ask the same, one after
/// the other; the plan is made once.
struct Answered {
  PlacementShape shape;
  LoadMatrix loads;
  CoreOptions options;
  std::optional<CorePlan> plan;

  bool is(const PlacementShape& other, const LoadMatrix& other_loads,
          const CoreOptions& other_options) const {
    return plan && shape.nodes == other.nodes && shape.gpus_per_node == other.gpus_per_node &&
           shape.slots_per_gpu == other.slots_per_gpu && shape.experts == other.experts &&
           shape.fault_threshold == other.fault_threshold &&
           shape.domain_of_node == other.domain_of_node && options == other_options &&
           loads.layers == other_loads.layers && loads.values == other_loads.values;
  }
};

}  // namespace

CorePlan core_plan(const PlacementShape& shape, const LoadMatrix& loads,
                   const CoreOptions& options) {
  thread_local Answered last;
  if (!last.is(shape, loads, options)) {
    last = {shape, loads, options, chosen_plan(shape, loads, options)};
    last.shape.previous = nullptr;  // not looked at, and it may go away
  }
  return *last.plan;
}

CorePlan bounded_core_plan(const PlacementShape& shape, const LoadMatrix& loads,
                           std::span<const std::vector<std::int32_t>> replicas) {
  const int slots = shape.slots_per_node();
  const auto family = disjoint_family(
      shape.nodes, slots, core_sizes_of_counts(shape.nodes, slots, replicas), shape.domain_of_node);
  CorePlan plan{.family = family, .layers = {}, .worst_max_over_mean = 1};
  for (std::size_t l = 0; l < replicas.size(); ++l) {
    plan.layers.push_back(bounded_core_layer(
        shape, family, scaled_loads(loads.row(static_cast<int>(l))), replicas[l]));
    plan.worst_max_over_mean = std::max(plan.worst_max_over_mean, plan.layers.back().max_over_mean);
  }
  return plan;
}

}  // namespace bethany
