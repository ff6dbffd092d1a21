#pragma once

#include <vector>

#include "analysis/run_summary.h"
#include "sim/policy/policy.h"
#include "sim/study/setup.h"

namespace bethany {

/// The row `ideal`, an upper bound of `compared`: each of them with all target nodes there from the
/// start and every duration but the step 0; the best of these by committed tokens over time. It
/// assumes that more nodes train no slower.
RunSummary ideal_bound(const Setup& setup, const std::vector<Policy>& compared,
                       const std::vector<RunSink*>& sinks = {});

/// One policy on `nodes` nodes that are there from the start and stay, where nothing but the steps
/// takes time; its name is the policy's. Requires: nodes in 1..cluster.nodes.
RunSummary undisturbed_run(const Setup& setup, const Policy& policy, int nodes,
                           const std::vector<RunSink*>& sinks = {});

}  // namespace bethany
