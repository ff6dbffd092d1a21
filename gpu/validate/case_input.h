#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu/layer/stack.h"
#include "gpu/validate/cases.h"
#include "sim/cost/cost_model.h"
#include "sim/model/routing_load.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"
#include "sim/policy/policy.h"

namespace bethany {

/// What all cases have in common: the shape `tiny` that the CPU measures. A node is one rank.
struct CaseWorld {
  StackShape stack{.layers = 2,
                   .hidden = 64,
                   .ffn = 128,
                   .gated = false,
                   .experts = 8,
                   .top_k = 2,
                   .heads = 2,
                   .sequence_length = 64,
                   .exact = false};
  std::int64_t sequences = 2;  // of one rank and step
  int slots = 4;               // of a rank, for each layer
  std::int64_t steps = 60;     // with all nodes there
  std::int64_t checkpoint_every = 20;
  std::int64_t rebalance_every = 25;
  JsonNode cost;  // the object `cost` of a scenario
};

/// The model that the stack trains, for the simulator.
MoeModel model_of(const StackShape& stack);

/// Everything one case needs to run, in the simulator or on machines.
struct CaseInput {
  Scenario scenario;
  Policy policy;
  Trace trace;
  RoutingLoad routing;
  Cost cost;
  JsonNode effective_cost;  // with every default
};

/// How long things are predicted to take, so that failures come in the middle of them.
struct CaseClock {
  Duration step{0};
  Duration detection{0};
  Duration reconfiguration{0};  // planning and communicator
};

/// A clock from the cost model alone: a step of `lazarus` under a balanced load, so that all
/// policies of a setting meet the same failures. Throws InputError on a wrong cost.
CaseClock case_clock(const CaseWorld& world, int nodes);

/// Throws InputError on an unknown policy and on a wrong cost.
CaseInput make_case_input(const Case& made, const CaseWorld& world);

/// The trace of a failure schedule. Requires: a known one, nodes >= 4.
Trace failure_trace(const std::string& failures, int nodes, const CaseClock& clock,
                    std::int64_t steps);

/// The load of a routing kind. Requires: a known one, steps >= 10.
RoutingLoad routing_of(const std::string& routing, const StackShape& stack, std::int64_t steps,
                       std::uint64_t seed);

}  // namespace bethany
