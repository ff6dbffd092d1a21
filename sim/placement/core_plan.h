#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/core_family.h"
#include "sim/placement/core_layer.h"
#include "sim/placement/overlapping_family.h"
#include "sim/placement/parts.h"

namespace bethany {

/// Families count as balanced enough when their worst layer is within this factor of the best
/// reachable max/mean (DESIGN §7).
constexpr double kCoreBalance = 1.10;

struct CoreOptions {
  /// Give up hosts without which the balance stays: less gradient traffic now, a worse balance
  /// once loads have drifted.
  bool drop = false;
  /// Only families of so many disjoint groups, as far as there are any: fewer, larger groups
  /// survive more, more and smaller ones move fewer gradients. 0: any family.
  int groups = 0;
  friend bool operator==(const CoreOptions&, const CoreOptions&) = default;
};

/// The options `drop` and `groups` of the parts named core.
CoreOptions read_core_options(ObjectReader& options);

/// Where all layers' experts are, on one family.
struct CorePlan {
  CoreFamily family;
  std::vector<CoreLayer> layers;
  /// Over the layers, of GPUs, with the best split.
  double worst_max_over_mean = 1;

  ReplicaRows replicas() const;
  /// The experts of every node, GPU after GPU, vacant slots of a GPU last. Requires: the shape it
  /// was made for.
  LayerRows rows(const PlacementShape& shape) const;
};

/// The families that core plans for the shape may use, best recovery first: disjoint groups and
/// overlapping sets. Those that guarantee the shape's effective fault threshold, if there are any;
/// else all. Requires: shape.experts <= shape.slots().
std::vector<CoreFamily> core_families(const PlacementShape& shape,
                                      Overlaps overlaps = Overlaps::quick);

/// The plan of all layers on a given family. Stops after a layer whose max/mean passes `limit`:
/// then empty. Requires: the family's lanes hold the experts.
std::optional<CorePlan> core_plan_on(const PlacementShape& shape, const LoadMatrix& loads,
                                     const CoreFamily& family, const CoreOptions& options,
                                     std::optional<double> limit = {});

/// The plan of the best joint recovery among core families whose worst layer is within kCoreBalance
/// of the best max/mean reached by any of them. Counts are chosen for recovery, the min-makespan
/// split does the balance (placement.md §6). Requires: shape.experts <= shape.slots().
CorePlan core_plan(const PlacementShape& shape, const LoadMatrix& loads,
                   const CoreOptions& options);

/// The plan with at most replicas[layer][e] GPUs for expert e, on the cores that these counts
/// allow (core_sizes_of_counts()). Requires: refuse_replicas() accepts every row.
CorePlan bounded_core_plan(const PlacementShape& shape, const LoadMatrix& loads,
                           std::span<const std::vector<std::int32_t>> replicas);

}  // namespace bethany
