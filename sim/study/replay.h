#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/run_summary.h"
#include "sim/model/run_record.h"
#include "sim/study/setup.h"

namespace bethany {

class PlanMemory;
struct JobInput;

/// Replays one policy, no bound. What happens also goes to `sinks`. A policy without a run in this
/// scenario gives a summary with its reason. Pure: equal setups give equal summaries, whatever the
/// `memory` of runs like this one holds (sim/training/plan_memory.h; may be null).
RunSummary replay(const Setup& setup, const Policy& policy, const std::vector<RunSink*>& sinks = {},
                  PlanMemory* memory = nullptr);

/// A row of a comparison: the policy's replay, or the bound that it is of `bounded`.
RunSummary run_row(const Setup& setup, const Policy& policy, const std::vector<Policy>& bounded,
                   const std::vector<RunSink*>& sinks = {}, PlanMemory* memory = nullptr);

/// Runs a job and folds its facts.
RunSummary run_job(const JobInput& input, const std::optional<double>& usd_per_node_hour,
                   const std::vector<RunSink*>& sinks);

/// How long a run lasts at most; 0 when it ends after a number of samples or tokens.
Duration horizon_of(const Setup& setup);

/// Hands out the sinks that run `index` reports to, beside its summary.
using SinksOfRun = std::function<std::vector<RunSink*>(std::size_t index)>;

/// Replays every policy on the same trace and load, in the order given, on up to `threads` threads.
/// `ideal` and `clairvoyant` among them are bounds of the others. Results do not depend on
/// `threads`.
std::vector<RunSummary> compare(const Setup& setup, const std::vector<NamedPolicy>& policies,
                                int threads, const SinksOfRun& sinks = {});

}  // namespace bethany
