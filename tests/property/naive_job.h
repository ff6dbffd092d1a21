#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/time.h"
#include "sim/model/ledger.h"
#include "sim/model/run_record.h"
#include "sim/training/job.h"

namespace bethany {

struct NaiveDisruption {
  SimTime time;
  Recovery kind = Recovery::none;
  int lost = 0;
};

struct NaiveConfiguration {
  SimTime time;
  PlanCause cause = PlanCause::start;
  int nodes = 0;
};

/// What the reference says a run comes to.
struct NaiveResult {
  bool infeasible = false;  // then the rest is worthless
  SimTime horizon;
  Ledger ledger;
  std::int64_t samples = 0;
  std::int64_t steps_committed = 0;
  std::int64_t steps_discarded = 0;
  std::vector<NaiveDisruption> disruptions;
  std::vector<NaiveConfiguration> configurations;
  std::vector<std::string> story;  // what happened, for a reader of a failed test
};

/// The training job written a second time, from the rules alone (DESIGN §4.5,
/// sim/training/README.md) and as plainly as they allow: no event queue, no batches of steps, no
/// shared code with sim/training. It looks for the next instant at which anything can happen, books
/// the time up to there, and goes through the four phases.
///
/// Assumptions where the rules are silent:
/// - The machines of a configuration are its members in ascending id; a start or a restart binds
///   them as if nobody held anything.
/// - A plan is made when a policy can recover in place or rebalances, for its costs are `fixed`.
/// - `cluster.nodes` that cannot hold the model are infeasible; every other lack of nodes is a
/// wait.
/// - Without a decision by the horizon a disruption's `lost` is counted up to the end of detection
///   or the horizon.
///
/// Requires: a StepTimer that does not look at traffic or at bytes, `time` or `samples` as `until`
/// or a run that ends with the trace; few samples when the trace is repeated.
NaiveResult naive_run(const JobInput& input);

}  // namespace bethany
