#include "sim/study/replay.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/study/parallel.h"
#include "sim/training/job.h"

namespace bethany {
namespace {

/// Hands every fact to several sinks.
class Tee final : public RunSink {
 public:
  explicit Tee(std::vector<RunSink*> sinks) : sinks_(std::move(sinks)) {}
  void take(const RunEvent& event) override {
    for (auto* sink : sinks_) sink->take(event);
  }

 private:
  std::vector<RunSink*> sinks_;
};

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

/// Every target node is there from the start to the end of the trace.
Trace undisturbed(const Setup& setup) {
  TraceBuilder builder("ideal");
  builder.header().name = "ideal";
  std::vector<NodeId> nodes;
  for (int i = 1; i <= setup.scenario.cluster.nodes; ++i) {
    nodes.push_back(builder.node(fmt::format("node{}", i)));
  }
  builder.add(SimTime(), TraceEventKind::join, nodes, 0);
  return builder.finish(SimTime(), setup.trace->end);
}

RunSummary run_one(const JobInput& input, const std::optional<double>& price,
                   const std::vector<RunSink*>& sinks) {
  // Survival depends on plans alone, so the runs of a thread share what they worked out of it.
  thread_local const auto survival = std::make_shared<RecoveryCache>();
  SummaryFold fold({.usd_per_node_hour = price, .recovery_cache = survival});
  std::vector<RunSink*> all = sinks;
  all.push_back(&fold);
  Tee tee(std::move(all));
  auto outcome = run(input, tee);
  if (outcome.infeasible) return infeasible_run(input.policy.name, *outcome.infeasible);
  return fold.summary();
}

}  // namespace

RunSummary replay(const Setup& setup, const Policy& policy, const std::vector<RunSink*>& sinks,
                  PlanMemory* memory) {
  return run_one({.scenario = setup.scenario,
                  .policy = policy,
                  .trace = *setup.trace,
                  .routing = *setup.routing,
                  .timer = *setup.cost.timer,
                  .streams = setup.streams,
                  .memory = memory},
                 setup.scenario.cluster.node_type.usd_per_hour, sinks);
}

RunSummary ideal_bound(const Setup& setup, const std::vector<Policy>& compared,
                       const std::vector<RunSink*>& sinks) {
  Scenario scenario = setup.scenario;
  scenario.training.warm_start = true;
  const Trace trace = undisturbed(setup);
  const OnlySteps timer(*setup.cost.timer);
  const auto run_bound = [&](const Policy& policy, const std::vector<RunSink*>& to) {
    return run_one({.scenario = scenario,
                    .policy = policy,
                    .trace = trace,
                    .routing = *setup.routing,
                    .timer = timer,
                    .streams = setup.streams},
                   setup.scenario.cluster.node_type.usd_per_hour, to);
  };
  const Policy* best = nullptr;
  double best_rate = -1;
  for (const auto& policy : compared) {
    const auto summary = run_bound(policy, {});
    if (!summary.feasible) continue;
    const double rate =
        static_cast<double>(summary.samples) / std::max(1e-9, to_seconds(summary.horizon));
    if (rate > best_rate) {
      best_rate = rate;
      best = &policy;
    }
  }
  if (best == nullptr) return infeasible_run("ideal", "none of the compared policies has a run");
  auto summary = run_bound(*best, sinks);
  summary.policy = "ideal";
  summary.is_bound = true;
  return summary;
}

Duration horizon_of(const Setup& setup) {
  const auto& until = setup.scenario.until;
  const bool trace_ends_it = setup.scenario.at_end == AtEnd::stop;
  const Duration trace_length = setup.trace->end.time_since_epoch();
  if (until.time) return trace_ends_it ? std::min(*until.time, trace_length) : *until.time;
  return trace_ends_it && !until.given() ? trace_length : Duration(0);
}

std::vector<RunSummary> compare(const Setup& setup, const std::vector<NamedPolicy>& policies,
                                int threads, const SinksOfRun& sinks) {
  std::vector<Policy> built;
  for (const auto& named : policies) built.push_back(build_policy(named));
  std::vector<Policy> bounded;  // what an ideal is the bound of
  for (const auto& named : policies) {
    auto policy = build_policy(named);
    if (!policy.ideal) bounded.push_back(std::move(policy));
  }
  if (bounded.empty()) {
    for (const auto& named : choose_policies(setup, {})) {
      auto policy = build_policy(named);
      if (!policy.ideal) bounded.push_back(std::move(policy));
    }
  }
  std::vector<RunSummary> summaries(policies.size());
  parallel_for(policies.size(), threads, [&](std::size_t i) {
    const auto to = sinks ? sinks(i) : std::vector<RunSink*>{};
    summaries[i] = built[i].ideal ? ideal_bound(setup, bounded, to) : replay(setup, built[i], to);
    summaries[i].policy = policies[i].name;
  });
  return summaries;
}

}  // namespace bethany
