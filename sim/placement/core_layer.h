#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/core_family.h"
#include "sim/placement/lane_board.h"

namespace bethany {

/// Where one layer's experts are.
struct CoreLayer {
  std::vector<GpuSet> gpus;  // by expert
  GpuLoad maximum;           // of the scaled loads, with the best split
  double max_over_mean = 1;  // of GPUs, with the best split
};

/// The search for a better balance ends when max/mean is at most 1 + 1 / kEvenEnough
/// (placement.md §6.1).
constexpr std::int64_t kEvenEnough = 2000;

/// Loads in fewer digits, so that a flow fits 64 bits: their sum is below BlockFlow::kMostTokens
/// and not 0 (no load at all counts as equal loads).
std::vector<std::int64_t> scaled_loads(std::span<const std::int64_t> loads);

/// Counts and GPUs of a layer with the least max/mean found (placement.md §6.1): each expert gets
/// a core lane, the spare lanes go to the hottest experts, then experts are exchanged while the
/// maximum falls. With `drop`, lanes without which the maximum stays are given up again.
/// Requires: the core lanes of the layout hold all experts; `loads` as scaled_loads() gives them.
CoreLayer free_core_layer(const LaneLayout& layout, std::span<const std::int64_t> loads, bool drop);

/// The same with at most replicas[e] GPUs for expert e. The family's sets are the cores that the
/// counts allow (core_sizes_of_counts()). Requires: every count from 1, all within the slots.
CoreLayer bounded_core_layer(const PlacementShape& shape, const CoreFamily& family,
                             std::span<const std::int64_t> loads,
                             std::span<const std::int32_t> replicas);

}  // namespace bethany
