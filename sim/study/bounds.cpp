#include "sim/study/bounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/study/replay.h"
#include "sim/training/job.h"

namespace bethany {
namespace {

/// The step of another timer; nothing else takes time.
class OnlySteps final : public StepTimer {
 public:
  explicit OnlySteps(const StepTimer& timer) : timer_(timer) {}
  bool looks_at_traffic() const override { return timer_.looks_at_traffic(); }
  CostBreakdown step(const StepQuery& query) const override { return timer_.step(query); }
  Duration checkpoint_write(std::int64_t, int) const override { return Duration(0); }
  Duration detection() const override { return Duration(0); }
  Duration planning(int) const override { return Duration(0); }
  Duration communicator(int) const override { return Duration(0); }
  Duration transfer(const TransferSummary&) const override { return Duration(0); }
  Duration rebalance_communicator(int) const override { return Duration(0); }
  Duration reschedule() const override { return Duration(0); }
  Duration process_start() const override { return Duration(0); }
  Duration group_init(int) const override { return Duration(0); }
  Duration load(const LoadQuery&) const override { return Duration(0); }

 private:
  const StepTimer& timer_;
};

/// So many nodes are there from the start to the end of the trace.
Trace undisturbed(const Setup& setup, int count) {
  TraceBuilder builder("ideal");
  builder.header().name = "ideal";
  std::vector<NodeId> nodes;
  for (int i = 1; i <= count; ++i) {
    nodes.push_back(builder.node(fmt::format("node{}", i)));
  }
  builder.add(SimTime(), TraceEventKind::join, nodes, 0);
  return builder.finish(SimTime(), setup.trace->end);
}

}  // namespace

RunSummary undisturbed_run(const Setup& setup, const Policy& policy, int nodes,
                           const std::vector<RunSink*>& sinks) {
  Scenario scenario = setup.scenario;
  scenario.training.warm_start = true;
  const Trace trace = undisturbed(setup, nodes);
  const OnlySteps timer(*setup.cost.timer);
  return run_job({.scenario = scenario,
                  .policy = policy,
                  .trace = trace,
                  .routing = *setup.routing,
                  .timer = timer,
                  .streams = setup.streams},
                 setup.scenario.cluster.node_type.usd_per_hour, sinks);
}

RunSummary ideal_bound(const Setup& setup, const std::vector<Policy>& compared,
                       const std::vector<RunSink*>& sinks) {
  const int nodes = setup.scenario.cluster.nodes;
  const Policy* best = nullptr;
  double best_rate = -1;
  for (const auto& policy : compared) {
    const auto summary = undisturbed_run(setup, policy, nodes);
    if (!summary.feasible) continue;
    const double rate =
        static_cast<double>(summary.samples) / std::max(1e-9, to_seconds(summary.horizon));
    if (rate > best_rate) {
      best_rate = rate;
      best = &policy;
    }
  }
  if (best == nullptr) return infeasible_run("ideal", "none of the compared policies has a run");
  auto summary = undisturbed_run(setup, *best, nodes, sinks);
  summary.policy = "ideal";
  summary.is_bound = true;
  return summary;
}

}  // namespace bethany
