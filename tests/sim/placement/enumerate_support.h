#pragma once

#include <cstdint>
#include <vector>

namespace bethany::naive {

/// Most nodes of the enumerator.
constexpr int kEnumeratedNodes = 8;

/// By number of lost nodes k = 0..nodes, the most loss sets that any placement of the replica
/// counts survives, by looking at all placements: experts one by one on every set of nodes with
/// room, states that are the same up to the names of the nodes once. Shares no code with the
/// library. `reached` are the counts of some placement (or zeros): parts of placements that exceed
/// it for no k are left, which changes nothing but the time. Requires: a placement exists.
std::vector<std::int64_t> most_survived(int nodes, int slots,
                                        const std::vector<std::int32_t>& replicas,
                                        const std::vector<std::int64_t>& reached);

/// All ascending replica counts of at least two experts, each 1..nodes, that fill the slots
/// (placement.md §3); more than `most_experts` are left out.
std::vector<std::vector<std::int32_t>> all_counts(int nodes, int slots, int most_experts = 1000);

}  // namespace bethany::naive
