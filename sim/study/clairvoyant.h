#pragma once

#include <vector>

#include "analysis/run_summary.h"
#include "sim/policy/policy.h"
#include "sim/study/setup.h"

namespace bethany {

/// The row `clairvoyant`: a bound on what any online policy of the same parts can train on this
/// trace, from one that knows it. It chooses, for every stretch between two changes of the ready
/// nodes, how many of them train, so that most samples are committed at the horizon. It pays
///   - for every change of who trains the shortest that a compared policy could pay: planning and
///     communicator (or, when none goes on in place, reschedule, process start and group init),
///     placed where it costs least and cut at the end of its stretch,
///   - for the first start what the scenario says;
/// and nothing else: no detection, no transfers, no checkpoints, no lost steps, no rebalances. With
/// n nodes it trains at the highest rate that a compared policy reached in its own run with n
/// nodes, or reaches on n nodes that stay, whatever the load is then.
///
/// So it is an upper bound of each compared policy exactly, and of others of the same parts as far
/// as they step no faster. Which machines they are is looked at only from one stretch to the next:
/// a crew that outlives both is assumed to exist whenever their numbers allow it.
///
/// Cost: a replay of each policy, of each on up to kProbes constant clusters, and stretches × node
/// counts. Needs a run of one of them; otherwise the summary says so.
RunSummary clairvoyant_bound(const Setup& setup, const std::vector<Policy>& compared,
                             const std::vector<RunSink*>& sinks = {});

/// Node counts that are probed beside those that occur: all of a cluster this small.
constexpr int kProbes = 32;

}  // namespace bethany
