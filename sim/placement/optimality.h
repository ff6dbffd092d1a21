#pragma once

#include <string_view>

#include "sim/model/plan.h"

namespace bethany {

/// What is known of a layer's survival counts (survive(1), survive(2), …) beside those of every
/// other placement of the same replica counts on the same nodes.
/// proven: none survives more, for any number of losses (the bound U of placement.md §2 is met).
/// enumerated: none is lexicographically above it, found by looking at all of them.
/// unknown: neither; it may well be best.
enum class Optimality { proven, enumerated, unknown };

/// "proven", "enumerated" or "unknown", as the answer of `place` prints it.
std::string_view name_of(Optimality optimality);

/// Certifies one layer of a plan, whatever made it. Replicas on one node count once.
/// Proven for any number of nodes when the groups fit (sum of g_i <= N) and the layer survives what
/// disjoint groups of these sizes survive; otherwise when its exact counts equal U, which needs
/// survivor_counts() and counts of at most 128 bits (N <= 131). Enumerated at most at 6 nodes,
/// within a fixed number of steps (some tenths of a millisecond to a few milliseconds). Requires:
/// every expert of the layer has a host.
Optimality certify(const PlacementPlan& plan, int layer);

}  // namespace bethany
