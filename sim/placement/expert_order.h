#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/base/error.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The experts in ascending order of (replicas, load, id): the order of papers.md §1.1, because
/// Eq. 1 never gives the more loaded of two experts fewer replicas. `loads` may be empty.
std::vector<std::int32_t> ascending_experts(std::span<const std::int32_t> replicas,
                                            std::span<const std::int64_t> loads);

/// What every placement asks of the replica counts: each expert at least one, all within the slots.
/// Empty when it holds.
std::optional<Infeasible> refuse_replicas(const PlacementShape& shape,
                                          std::span<const std::int32_t> replicas);

/// What every allocation asks of the shape: a slot for each expert. Empty when it holds.
std::optional<Infeasible> refuse_experts(const PlacementShape& shape);

}  // namespace bethany
