#pragma once

#include <optional>
#include <string>

#include "sim/base/random.h"
#include "sim/cost/step_timer.h"
#include "sim/model/routing_load.h"
#include "sim/model/run_record.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"
#include "sim/policy/policy.h"

namespace bethany {

class Machines;
class PlanMemory;

/// How a run came out: facts have gone to the sink; without a result there is a reason.
struct RunOutcome {
  /// Empty: the run reached its horizon. Otherwise why there is no result: the policy has no plan
  /// for this cluster, or `until` can never be reached. The sink's facts are then worthless.
  std::optional<std::string> infeasible;
};

/// Everything one run depends on. A run is a pure function of it.
struct JobInput {
  const Scenario& scenario;
  const Policy& policy;  // no bound
  const Trace& trace;    // replay options applied: at most scenario.cluster.nodes alive
  const RoutingLoad& routing;
  const StepTimer& timer;
  RngStreams streams;
  /// Test hook: advance steps one by one instead of in one go. Results do not change.
  bool step_by_step = false;
  /// What earlier runs worked out, or null. It holds plans of runs like this one only.
  PlanMemory* memory = nullptr;
  /// Does for real what a simulation only times (machines.h), or null.
  Machines* machines = nullptr;
};

/// Runs the training job (DESIGN §4.5; the rules, and what they leave open, in README.md here).
RunOutcome run(const JobInput& input, RunSink& sink);

}  // namespace bethany
