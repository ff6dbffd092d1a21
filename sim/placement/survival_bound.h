#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// Sizes g_i of the theorem of placement.md §2: every slots_per_node-th of the ascending replica
/// counts, from the first on. Those of Lazarus's groups before the last one is cut.
std::vector<std::int32_t> group_representatives(std::span<const std::int32_t> replicas,
                                                int slots_per_node);

/// U: no plan of a layer with these representatives survives more losses of k nodes than this, for
/// k = 0..min(k_max, nodes) (placement.md §2):
///   U(n; g_1..g_m; R) = sum of U(n-j; g_2..g_m; R-1) over j = 1..min(g_1, n),
///   U(n; g; R) = C(n, R) - C(n - min(g, n), R), R = nodes - k survivors.
/// Attained, for all k at once, by disjoint groups when their sizes fit the nodes.
/// Exact. Empty when C(nodes, k) passes 128 bits for one of the k. Grows as groups · k_max².
/// Requires: sizes from 1; none at all (no experts) bounds nothing.
std::optional<std::vector<UInt128>> survival_bound(int nodes,
                                                   std::span<const std::int32_t> representatives,
                                                   int k_max);

/// U with the best replica counts for each k: the most that any allocation and placement of
/// `experts` experts can survive. The maximum over g_1 <= … <= g_G <= nodes with
/// c(g_1 + … + g_(G-1)) + (E - c(G-1)) g_G <= N·c, tried one by one.
/// Empty when there are more than 100,000 of them, or as above. Requires: experts <= slots.
std::optional<std::vector<UInt128>> survival_bound_of_any_counts(int nodes, int slots_per_node,
                                                                 int experts, int k_max);

}  // namespace bethany
