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

__extension__ using UInt128 = unsigned __int128;

/// How overlapping host sets are counted. All give the same numbers.
enum class ExactMethod {
  automatic,    // whichever ends first
  unions,       // inclusion and exclusion over sets
  enumeration,  // every loss set, up to 24 nodes
  elimination,  // a decision diagram, level by level
  branching,    // decisions by node until the rest can be eliminated
};

/// What one method may spend on one component, in counted steps of about a nanosecond.
constexpr std::int64_t kExactWork = std::int64_t{1} << 28;

struct ExactOptions {
  ExactMethod method = ExactMethod::automatic;
  std::int64_t work = kExactWork;
};

/// Probability that every expert of every layer keeps a live replica after k of the N nodes are
/// lost, all subsets equally likely; by k = 0..k_max (0 for k > N, and P(0) = 1).
struct RecoveryCurve {
  std::vector<double> probability;
  std::vector<double> loss;   // 1 - probability, with a relative precision of its own
  int guaranteed_losses = 0;  // the largest k with P = 1
  std::vector<int> witness;   // nodes of a smallest fatal set (the first in order)
  std::string method;         // "exact"
};

/// Exact. Sets that share no node with others have a closed form (DESIGN §5); components of
/// overlapping sets are counted by the methods of ExactMethod. Empty when none ends within the work
/// of `options`. Rational while the counts fit 128 bits (N <= 131, or fewer losses of more nodes),
/// then in doubles, all sums of positive terms or checked for cancellation: to about 1e-10 of
/// probability and of loss. Requires: every expert has a host; k_max >= 0; `sets` as
/// minimal_host_sets() gives them.
std::optional<RecoveryCurve> recovery_curve(const PlacementPlan& plan, int k_max,
                                            const ExactOptions& options = {});
std::optional<RecoveryCurve> recovery_curve(int nodes, const std::vector<HostSet>& sets, int k_max,
                                            const ExactOptions& options = {});

/// P(recover) and P(loss of the model) = 1 - P(recover), each with its own relative precision.
struct RatedRecovery {
  double probability = 1;
  double loss = 0;
};

/// The exact probability when node v is lost with probability rates[v], independently of the
/// others. Empty when no method ends within the work of `options`.
/// Requires: a rate in 0..1 for each of the nodes that `sets` number.
std::optional<RatedRecovery> rated_recovery(const std::vector<double>& rates,
                                            const std::vector<HostSet>& sets,
                                            const ExactOptions& options = {});

/// Overlapping sets and the nodes they span.
struct SetComponent {
  int nodes = 0;
  int sets = 0;
  double log2_states = 0;  // bounds the states of an elimination
};

/// The component that is the hardest to count, by log2_states: what to name when there is no exact
/// curve. Requires: a set.
SetComponent hardest_component(int nodes, const std::vector<HostSet>& sets);

/// survive(k) of placement.md §1: how many of the losses of k nodes leave every set a live node,
/// for k = 0..min(k_max, nodes). Empty when C(nodes, k) does not fit 128 bits for one of them, or
/// recovery_curve() would be empty.
/// Requires: nodes of the sets in 0..nodes-1, no set empty.
std::optional<std::vector<UInt128>> survivor_counts(int nodes, const std::vector<HostSet>& sets,
                                                    int k_max, const ExactOptions& options = {});

}  // namespace bethany
