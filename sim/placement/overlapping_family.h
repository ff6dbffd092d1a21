#pragma once

#include <vector>

#include "sim/placement/core_family.h"
#include "sim/placement/parts.h"

namespace bethany {

/// Which shapes the families of overlapping sets are built for: they take `mro+` from half a
/// millisecond (10 nodes, 8 experts) to a fifth of a second.
enum class Overlaps {
  quick,  // where they gain most and cost little: fewer than two full groups, at most 12 nodes
  all,    // up to 20 nodes and 64 experts
};

/// Families of the host sets that `mro+` chooses for near-uniform counts (placement.md §6.1): they
/// survive more than disjoint groups where the experts do not fill whole groups, but each of their
/// lanes is needed, so that only the assignment of experts balances. None for nodes
/// of several GPUs, or when `mro+` is not registered or its sets are disjoint.
std::vector<CoreFamily> overlapping_families(const PlacementShape& shape, Overlaps which);

}  // namespace bethany
