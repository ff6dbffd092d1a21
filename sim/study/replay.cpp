#include "sim/study/replay.h"

#include <algorithm>

#include "sim/base/error.h"
#include "sim/study/bounds.h"
#include "sim/study/clairvoyant.h"
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

}  // namespace

RunSummary run_job(const JobInput& input, const std::optional<double>& price,
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

RunSummary replay(const Setup& setup, const Policy& policy, const std::vector<RunSink*>& sinks,
                  PlanMemory* memory) {
  return run_job({.scenario = setup.scenario,
                  .policy = policy,
                  .trace = *setup.trace,
                  .routing = *setup.routing,
                  .timer = *setup.cost.timer,
                  .streams = setup.streams,
                  .memory = memory},
                 setup.scenario.cluster.node_type.usd_per_hour, sinks);
}

Duration horizon_of(const Setup& setup) {
  const auto& until = setup.scenario.until;
  const bool trace_ends_it = setup.scenario.at_end == AtEnd::stop;
  const Duration trace_length = setup.trace->end.time_since_epoch();
  if (until.time) return trace_ends_it ? std::min(*until.time, trace_length) : *until.time;
  return trace_ends_it && !until.given() ? trace_length : Duration(0);
}

RunSummary run_row(const Setup& setup, const Policy& policy, const std::vector<Policy>& bounded,
                   const std::vector<RunSink*>& sinks, PlanMemory* memory) {
  switch (policy.bound) {
    case Bound::none:
      return replay(setup, policy, sinks, memory);
    case Bound::ideal:
      return ideal_bound(setup, bounded, sinks);
    case Bound::clairvoyant:
      return clairvoyant_bound(setup, bounded, sinks);
  }
  return {};
}

std::vector<RunSummary> compare(const Setup& setup, const std::vector<NamedPolicy>& policies,
                                int threads, const SinksOfRun& sinks) {
  std::vector<Policy> built;
  for (const auto& named : policies) built.push_back(build_policy(named));
  std::vector<Policy> bounded;  // what an ideal is the bound of
  for (const auto& named : policies) {
    auto policy = build_policy(named);
    if (policy.bound == Bound::none) bounded.push_back(std::move(policy));
  }
  if (bounded.empty()) {
    for (const auto& named : choose_policies(setup, {})) {
      auto policy = build_policy(named);
      if (policy.bound == Bound::none) bounded.push_back(std::move(policy));
    }
  }
  std::vector<RunSummary> summaries(policies.size());
  parallel_for(policies.size(), threads, [&](std::size_t i) {
    const auto to = sinks ? sinks(i) : std::vector<RunSink*>{};
    summaries[i] = run_row(setup, built[i], bounded, to);
    summaries[i].policy = policies[i].name;
  });
  return summaries;
}

}  // namespace bethany
