#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/cost/cost_model.h"
#include "sim/training/job.h"

namespace bethany {

/// What a run said, folded as far as tests look at it.
class Collected final : public RunSink {
 public:
  void take(const RunEvent& event) override;

  std::vector<RunEvent> events;
  std::vector<RecoveryDecided> disruptions;
  std::int64_t steps_discarded = 0;
  RunEnded end;
};

/// A whole small job, from texts: 1 GPU per node, one MoE layer, 4 sequences per rank and step.
class SmallJob {
 public:
  int nodes = 2;
  int experts = 2;
  int slots = 2;
  int moe_layers = 1;
  std::string policy = R"({"preset": "lazarus"})";
  std::string cost = R"({"model": "fixed", "step": "3s"})";
  std::string until_time = "20s";
  bool warm_start = true;
  AtEnd at_end = AtEnd::hold;
  Duration startup_delay{0};
  /// "0 join a b; 5 slow:0.5 b; 9 normal b; 12 lost b": seconds, event, nodes.
  std::string trace = "0 join a b";
  std::vector<RoutingLoad::Entry> routing;  // default: uniform
  Scenario scenario;                        // filled in by run(); set what is left before

  /// Runs it; fails the test when there is no result.
  Collected run(bool step_by_step = false);
  /// The reason why there is no result.
  std::string infeasible();

  Trace make_trace() const;

 private:
  RunOutcome run_into(RunSink& sink, bool step_by_step);
};

/// Node-seconds as node-nanoseconds.
Int128 node_s(std::int64_t seconds);
Int128 blocked(const Collected& run, Blocked bucket);
Int128 unavailable(const Collected& run, Unavailable bucket);

}  // namespace bethany
