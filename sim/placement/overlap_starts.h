#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/host_plan.h"

namespace bethany {

/// How experts join existing host sets in nest_greedily().
struct NestingRule {
  int reserve = 0;       // t: hosts beyond those of the expert in hand kept for the later ones
  int experts_each = 0;  // at most so many experts on one set …
  int full_sets = 0;     // … but any number on this many first sets
};

/// The construction of placement.md §4, greedyNest: experts ascending; each takes the first host
/// set in use that has room and leaves the later experts their hosts (Gale-Ryser), else a set of
/// its own, as large as that allows, on the emptiest nodes. Filled.
HostPlan nest_greedily(int nodes, int slots_per_node,
                       std::span<const std::int32_t> ascending_replicas, const NestingRule& rule);

/// placement.md §4, shortGroup: groups of consecutive experts on disjoint nodes, where group `few`
/// is the one that is not full, and group `cut` gives up the nodes that are missing. Filled.
/// Empty plan (no hosts at all) when the cut group would vanish.
HostPlan shorten_group(int nodes, int slots_per_node,
                       std::span<const std::int32_t> ascending_replicas, int few, int cut);

/// A layer's rows, experts by id, as a HostPlan of experts in ascending order (`order`).
HostPlan host_plan_of(int nodes, int slots_per_node,
                      std::span<const std::int32_t> ascending_replicas,
                      std::span<const std::int32_t> order, std::span<const std::int32_t> rows);

/// All starts of the local search of §4 beside the published placements: every rule up to
/// kAllStartsExperts experts, beyond that those of the first and the last groups, and at last a
/// dozen. Deterministic order.
std::vector<HostPlan> overlap_starts(int nodes, int slots_per_node,
                                     std::span<const std::int32_t> ascending_replicas);

constexpr int kAllStartsExperts = 24;
/// Nodes times experts beyond which a dozen starts remain.
constexpr std::int64_t kFewStartsSize = 1'000'000;

}  // namespace bethany
