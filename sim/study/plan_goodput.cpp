#include "sim/study/plan_goodput.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/placement/plan_costs.h"
#include "sim/training/planner.h"
#include "traces/statistics.h"

namespace bethany {
namespace {

/// Expert states that go missing with k of the plan's nodes, spread over those that fetch them, and
/// the dense state of `newcomers`.
TransferSummary mean_transfer(const PlacementPlan& plan, int lost, int newcomers,
                              const MoeModel& model, std::int64_t state_bytes) {
  std::int64_t pairs = 0;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    pairs += hosted_pairs(plan, layer);
  }
  TransferSummary summary;
  summary.experts_moved = (pairs * lost + plan.nodes - 1) / plan.nodes;
  summary.dense_copies = newcomers;
  const std::int64_t dense = std::int64_t{newcomers} * model.dense_parameters * state_bytes;
  const std::int64_t experts = summary.experts_moved * model.expert_parameters * state_bytes;
  summary.total_bytes = dense + experts;
  const std::int64_t receivers = newcomers > 0 ? newcomers : std::max(1, plan.nodes - lost);
  summary.busiest_port_bytes = (summary.total_bytes + receivers - 1) / receivers;
  return summary;
}

/// The wall time between two checkpoints of a run of equal steps.
double checkpoint_interval_s(const Policy& policy, double step_s, Duration write) {
  const auto due =
      policy.checkpoint->next({.covered_step = 0, .usable_since = {}, .write_time = write});
  if (due.step != std::numeric_limits<std::int64_t>::max()) {
    return step_s * static_cast<double>(due.step);
  }
  if (due.time != kNever) return std::max(step_s, to_seconds(due.time.time_since_epoch()));
  throw InputError(fmt::format(
      "policy '{}' writes no checkpoints, so that what a restart loses has no bound", policy.name));
}

/// The model's loads as a routing load that does not change.
RoutingLoad constant_load(int top_k, const LoadMatrix& loads) {
  std::vector<RoutingLoad::Entry> entries(1);
  entries.front().step = 0;
  entries.front().shares = loads;
  return RoutingLoad(top_k, std::move(entries));
}

}  // namespace

FailureStatistics failure_statistics(const Trace& trace, int nodes) {
  const auto statistics = statistics_of(trace);
  FailureStatistics failures;
  const double span_s = statistics.end_s - statistics.start_s;
  if (statistics.loss_instants == 0 || !(span_s > 0)) return failures;
  const auto instants = static_cast<double>(statistics.loss_instants);
  failures.disruptions_per_s = instants / span_s;
  std::map<int, std::int64_t> bulks;
  for (const auto& [lost, count] : statistics.bulk_sizes) {
    bulks[static_cast<int>(std::min<std::int64_t>(lost, nodes))] += count;
  }
  for (const auto& [lost, count] : bulks) {
    failures.bulk.emplace_back(lost, static_cast<double>(count) / instants);
  }
  return failures;
}

PlanGoodput expected_goodput(const Setup& setup, const Policy& policy, const LoadMatrix& loads,
                             const FrontierPlan& plan, const FailureStatistics& failures) {
  const auto& timer = *setup.cost.timer;
  const auto& model = setup.scenario.model;
  const std::int64_t state_bytes = setup.scenario.training.precision.state_bytes();
  Scenario scenario = setup.scenario;
  scenario.cluster.nodes = plan.plan.nodes;
  scenario.cluster.slots_per_gpu = plan.plan.slots_per_gpu();
  const auto routing = constant_load(model.top_k, loads);
  const JobInput input{.scenario = scenario,
                       .policy = policy,
                       .trace = *setup.trace,
                       .routing = routing,
                       .timer = timer,
                       .streams = setup.streams};
  Planner planner(input);
  Configuration configuration;
  configuration.nodes = plan.plan.nodes;
  configuration.plan = std::make_shared<const PlacementPlan>(plan.plan);

  PlanGoodput result;
  result.step_s = to_seconds(planner.step_time(configuration, 0, {}));
  const Duration write = planner.checkpoint_write(configuration.nodes);
  const double interval_s = checkpoint_interval_s(policy, result.step_s, write);
  double lost_s = 0;  // per disruption
  result.recovery_probability = failures.bulk.empty() ? 1 : 0;
  for (const auto& [lost, share] : failures.bulk) {
    const int left = std::max(1, configuration.nodes - lost);
    const auto stages = [&](const TransferSummary& moved, int nodes) {
      return to_seconds(timer.planning(nodes) + timer.communicator(nodes) + timer.transfer(moved));
    };
    const double in_place =
        result.step_s / 2 + to_seconds(timer.detection()) +
        stages(mean_transfer(plan.plan, lost, 0, model, state_bytes), left) +
        stages(mean_transfer(plan.plan, lost, lost, model, state_bytes), configuration.nodes);
    const double restart = result.step_s / 2 + to_seconds(timer.detection()) +
                           to_seconds(timer.reschedule() + timer.process_start() +
                                      timer.group_init(left) + planner.load(configuration)) +
                           interval_s / 2;
    const auto k = static_cast<std::size_t>(lost);
    const double recovers = k < plan.recovery.size() ? plan.recovery[k] : 0;
    result.recovery_probability += share * recovers;
    result.in_place_s += share * in_place;
    result.restart_s += share * restart;
    lost_s += share * (recovers * in_place + (1 - recovers) * restart);
  }
  const double overhead = to_seconds(write) / interval_s + failures.disruptions_per_s * lost_s;
  result.overhead_share = overhead / (1 + overhead);
  const auto tokens = static_cast<double>(planner.samples_per_step(configuration.nodes) *
                                          scenario.training.sequence_length);
  result.tokens_per_s = tokens / result.step_s / (1 + overhead);
  return result;
}

std::vector<ValuedPlan> by_goodput(const Setup& setup, const Policy& policy,
                                   const LoadMatrix& loads, std::vector<FrontierPlan> plans,
                                   const FailureStatistics& failures) {
  const auto& model = setup.scenario.model;
  if (loads.layers != model.moe_layers || loads.experts != model.experts) {
    throw InputError(
        fmt::format("loads of {} layers x {} experts; the scenario's model {} has {} x {}",
                    loads.layers, loads.experts, model.name, model.moe_layers, model.experts));
  }
  std::vector<ValuedPlan> valued;
  for (auto& plan : plans) {
    const auto goodput = expected_goodput(setup, policy, loads, plan, failures);
    valued.push_back({std::move(plan), goodput});
  }
  std::stable_sort(valued.begin(), valued.end(), [](const ValuedPlan& a, const ValuedPlan& b) {
    return a.goodput.tokens_per_s > b.goodput.tokens_per_s;
  });
  return valued;
}

}  // namespace bethany
