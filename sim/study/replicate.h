#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/replications.h"
#include "sim/base/json.h"
#include "sim/study/replay.h"

namespace bethany {

/// On how many draws of the outside world policies are compared.
struct ReplicateOptions {
  int count = 1;  // replications; with until_ci the most
  /// Above 0: so many windows of the trace file, one after the other, each training.until.time
  /// long, in place of draws.
  int windows = 0;
  /// Stop as soon as every interval is this share of its ratio wide to either side.
  std::optional<double> until_ci;
  std::string baseline;  // for until_ci; empty: the first feasible policy
  int threads = 1;
};

/// The fewest replications that until_ci looks at; it looks again after every further so many. Each
/// look is a chance to stop too early, so there are few: coverage stays at 94 % or above
/// (tests/analytic/coverage_test.cpp).
constexpr int kCiBatch = 10;

/// Hands out what a run reports to beside its summary. Called from several threads.
using SinksOfReplication =
    std::function<std::vector<RunSink*>(std::size_t replication, std::size_t policy)>;

/// Replays all policies on each replication: draw r is the scenario with `replication` r, window w
/// the scenario with `trace.from` moved. Within a replication all see the same trace and load.
/// Results do not depend on `threads`. Cost: the sum of the replays.
/// `setup` is that of `tree`. Throws InputError when windows are asked of what is no file, do not
/// fit, or the replications came out equal: then nothing in the scenario is drawn.
Replications replicate(const JsonNode& tree, const Setup& setup,
                       const std::vector<NamedPolicy>& policies, const ReplicateOptions& options,
                       const SinksOfReplication& sinks = {});

/// What stands beside every result of the setup.
RunContext context_of(const Setup& setup);

}  // namespace bethany
