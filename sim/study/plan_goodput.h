#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sim/placement/objectives.h"
#include "sim/policy/policy.h"
#include "sim/study/setup.h"

namespace bethany {

/// How often and how hard a cluster is hit.
struct FailureStatistics {
  double disruptions_per_s = 0;              // instants with losses
  std::vector<std::pair<int, double>> bulk;  // (nodes lost at once, share of the instants)
};

/// Those of a trace, over the span of its events. Bulks beyond `nodes` count as `nodes`.
FailureStatistics failure_statistics(const Trace& trace, int nodes);

/// What a plan is worth under failures: the mean of a renewal process whose disruptions come as in
/// the trace, independent of one another, with victims drawn uniformly.
///
///   goodput = tokens per step / (step + write share + lost share)
///   lost share = step · disruptions per s · sum over k of
///     share(k) · [P(k) · in place(k) + (1 - P(k)) · restart]
///   in place(k) = half a step + detection + planning + communicator + transfer, and the
///     reconfiguration by which the lost nodes come back
///   restart = half a step + detection + restart stages + load + half a checkpoint interval
///
/// Left out, because it is the same for all plans to first order: the smaller cluster until nodes
/// come back, disruptions during a recovery, rebalancing.
struct PlanGoodput {
  double tokens_per_s = 0;
  double step_s = 0;
  double recovery_probability = 1;  // mean of P(k) over disruptions, given uniform victims
  double in_place_s = 0;            // mean over disruptions, if all recovered in place
  double restart_s = 0;
  double overhead_share = 0;  // of the time that is not stepping: writes and disruptions
};

/// Throws InputError when the policy writes no checkpoints: a restart then costs all work so far.
PlanGoodput expected_goodput(const Setup& setup, const Policy& policy, const LoadMatrix& loads,
                             const FrontierPlan& plan, const FailureStatistics& failures);

/// A candidate with its value.
struct ValuedPlan {
  FrontierPlan plan;
  PlanGoodput goodput;
};

/// The plans by falling expected goodput, those of equal goodput in their order. The plans may be
/// for another number of nodes or slots than the scenario's cluster; the model, the costs, the
/// checkpoints and the failures are the scenario's.
/// Throws InputError when the loads, a row for each layer, do not fit the scenario's model.
std::vector<ValuedPlan> by_goodput(const Setup& setup, const Policy& policy,
                                   const LoadMatrix& loads, std::vector<FrontierPlan> plans,
                                   const FailureStatistics& failures);

}  // namespace bethany
