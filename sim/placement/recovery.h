#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/model/plan.h"

namespace bethany {

/// Nodes that host an expert, ascending.
using HostSet = std::vector<std::int32_t>;

/// The host sets of all layers that no other one contains within it: the model recovers iff each of
/// these keeps a live node (DESIGN §5). Sorted by size, then content; equal sets once.
std::vector<HostSet> minimal_host_sets(const PlacementPlan& plan);

/// Probability that every expert of every layer keeps a live replica after k of the N nodes are
/// lost, all subsets equally likely; by k = 0..k_max (0 for k > N, and P(0) = 1).
struct RecoveryCurve {
  std::vector<double> probability;
  int guaranteed_losses = 0;  // the largest k with P = 1
  std::vector<int> witness;   // nodes of a smallest fatal set (the first in order)
  std::string method;         // "exact"
};

/// Most nodes whose loss sets are enumerated: memory is 2^N bits, work N · 2^N / 64.
constexpr int kExactNodes = 24;
/// Most overlapping sets for inclusion-exclusion: work 2^sets · N / 64.
constexpr int kExactSets = 16;

/// Exact where every component (sets that share nodes) is one set of any size (generating function,
/// DESIGN §5), has at most kExactSets sets (inclusion-exclusion) or spans at most kExactNodes nodes
/// (enumeration of loss sets): so for any plan of at most kExactNodes nodes. Empty otherwise.
/// Rational while the counts fit 128 bits (N <= 131, or fewer losses of more nodes), then in
/// doubles to about 1e-11. Requires: every expert has a host; k_max >= 0; `sets` as
/// minimal_host_sets() gives them.
std::optional<RecoveryCurve> recovery_curve(const PlacementPlan& plan, int k_max);
std::optional<RecoveryCurve> recovery_curve(int nodes, const std::vector<HostSet>& sets, int k_max);

/// Overlapping sets and the nodes they span.
struct SetComponent {
  int nodes = 0;
  int sets = 0;
};

/// The component that makes an exact curve impossible, the one of most nodes; empty when none does.
std::optional<SetComponent> unaffordable_component(int nodes, const std::vector<HostSet>& sets);

__extension__ using UInt128 = unsigned __int128;

/// survive(k) of placement.md §1: how many of the losses of k nodes leave every set a live node,
/// for k = 0..min(k_max, nodes). Empty when C(nodes, k) does not fit 128 bits for one of them, or
/// recovery_curve() would be empty.
/// Requires: nodes of the sets in 0..nodes-1, no set empty.
std::optional<std::vector<UInt128>> survivor_counts(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max);

}  // namespace bethany
