#include "sim/cli/place_goodput.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/model/plan_file.h"
#include "sim/study/plan_goodput.h"

namespace bethany {
namespace {

PlaceRequest request_of(const Setup& setup) {
  const auto& cluster = setup.scenario.cluster;
  PlaceRequest request;
  request.nodes = cluster.nodes;
  request.slots_per_node = cluster.slots_per_node();
  request.gpus_per_node = cluster.node_type.gpus;
  request.loads = setup.routing->entries().back().shares;
  return request;
}

Table goodput_table(const std::vector<ValuedPlan>& plans) {
  Table table({{"allocation", Align::left},
               {"placement", Align::left},
               {"cores", Align::left},
               {"tokens/s", Align::right},
               {"vs best", Align::right},
               {"step ms", Align::right},
               {"P(recover)", Align::right},
               {"overhead", Align::right},
               {"max/mean", Align::right},
               {"off-node", Align::right}});
  for (const auto& [plan, goodput] : plans) {
    table.add({plan.allocation, plan.placement, plan.family,
               fmt::format("{:.0f}", goodput.tokens_per_s),
               fmt::format("{:.4f}", goodput.tokens_per_s / plans.front().goodput.tokens_per_s),
               fmt::format("{:.1f}", goodput.step_s * 1e3),
               fmt::format("{:.4f}", goodput.recovery_probability),
               fmt::format("{:.1f} %", goodput.overhead_share * 100),
               fmt::format("{:.3f}", plan.worst_max_over_mean),
               fmt::format("{:.1f} %", plan.off_node_share * 100)});
  }
  return table;
}

JsonNode goodput_json(const PlaceRequest& request, const std::vector<ValuedPlan>& plans,
                      const FailureStatistics& failures) {
  std::vector<FrontierPlan> bare;
  for (const auto& each : plans) bare.push_back(each.plan);
  auto node = frontier_json(request, bare);
  node.member("objective") = JsonNode::of("goodput");
  node.member("disruptions_per_hour") = JsonNode::of(failures.disruptions_per_s * 3600);
  auto& entries = node.member("plans").items;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto& goodput = plans[i].goodput;
    auto& entry = entries[i].member("goodput");
    entry.member("tokens_per_s") = JsonNode::of(goodput.tokens_per_s);
    entry.member("step_s") = JsonNode::of(goodput.step_s);
    entry.member("recovery_probability") = JsonNode::of(goodput.recovery_probability);
    entry.member("in_place_s") = JsonNode::of(goodput.in_place_s);
    entry.member("restart_s") = JsonNode::of(goodput.restart_s);
    entry.member("overhead_share") = JsonNode::of(goodput.overhead_share);
  }
  return node;
}

}  // namespace

void add_goodput_options(CLI::App& command, GoodputOptions& options) {
  command.add_option("--scenario", options.scenario.path,
                     "for --objective goodput: model, costs, checkpoints and failures");
  command.add_option("--set", options.scenario.overrides.sets,
                     "KEY.KEY=VALUE in the scenario; may be repeated");
  command
      .add_option("--policy", options.policy,
                  "for --objective goodput: whose dispatch and checkpoints")
      ->capture_default_str();
}

int place_by_goodput(const PlacementOptions& placement, const GoodputOptions& options,
                     const std::string& plan_path, const OutputOptions& output) {
  const auto setup = load_setup(options.scenario);
  const auto policy =
      build_policy({options.policy, policy_from_text(options.policy, setup.policies)});
  if (policy.bound != Bound::none) {
    throw InputError(fmt::format("--policy: '{}' is a bound and has no plans", options.policy));
  }
  const auto otherwise = request_of(setup);
  auto request = read_request(placement, &otherwise);
  const auto failures = failure_statistics(*setup.trace, request.nodes);
  if (!failures.bulk.empty()) {
    request.losses_max = std::max(request.losses_max, failures.bulk.back().first);
  }
  auto answered = answer_frontier(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto plans = by_goodput(setup, policy, request.loads,
                                std::move(std::get<std::vector<FrontierPlan>>(answered)), failures);
  if (!plan_path.empty()) {
    write_output(plan_path, to_text(plan_json({plans.front().plan.plan, request.domains})) + "\n",
                 output.force);
  }
  if (output.format == "json") {
    print_json(goodput_json(request, plans, failures));
    return 0;
  }
  print_table(goodput_table(plans), output.format);
  say(
      fmt::format("expected goodput under {:.3g} disruptions an hour, independent and with uniform "
                  "victims, as in trace {}; profile {} ({})",
                  failures.disruptions_per_s * 3600, setup.trace_stamp.name,
                  setup.cost.profile.name, setup.cost.profile.kind));
  return 0;
}

Table frontier_table(const PlaceRequest& request, const std::vector<FrontierPlan>& plans) {
  const bool bytes = request.expert_gradient_bytes.has_value();
  std::vector<Table::Column> columns = {{"allocation", Align::left},
                                        {"placement", Align::left},
                                        {"cores", Align::left},
                                        {"max/mean", Align::right}};
  const std::size_t losses = plans.empty() ? 0 : plans.front().recovery.size();
  for (std::size_t k = 1; k < losses; ++k) columns.push_back({fmt::format("P({})", k)});
  columns.push_back({bytes ? "gradient GB/node" : "gradient sizes/node", Align::right});
  columns.push_back({"off-node", Align::right});
  Table table(columns);
  for (const auto& plan : plans) {
    std::vector<std::string> row = {plan.allocation, plan.placement, plan.family,
                                    fmt::format("{:.3f}", plan.worst_max_over_mean)};
    for (std::size_t k = 1; k < losses; ++k) {
      row.push_back(fmt::format("{:.3f}", plan.recovery[k]));
    }
    const double scale = bytes ? static_cast<double>(*request.expert_gradient_bytes) * 1e-9 : 1.0;
    row.push_back(fmt::format("{:.2f}", plan.gradient_traffic * scale));
    row.push_back(fmt::format("{:.1f} %", plan.off_node_share * 100));
    table.add(std::move(row));
  }
  return table;
}

}  // namespace bethany
