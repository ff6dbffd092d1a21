#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/quantities.h"
#include "sim/cli/command.h"
#include "sim/cli/heat_map.h"
#include "sim/cli/place_goodput.h"
#include "sim/cli/placement_options.h"
#include "sim/model/plan_file.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

struct PlaceCommand {
  PlacementOptions placement;
  ChangeOptions change;
  GoodputOptions goodput;
  std::string rates_path;
  std::string plan_path;
  std::string view = "table";
  OutputOptions output;
};

/// A node a row: the experts it holds, by layer when there are several.
Table table_of(const PlaceAnswer& answer) {
  const auto& plan = answer.plan;
  std::vector<Table::Column> columns = {{"node", Align::right}};
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    columns.push_back(
        {plan.layers.size() == 1 ? "experts" : fmt::format("layer {}", layer), Align::left});
  }
  Table table(columns);
  for (int node = 0; node < plan.nodes; ++node) {
    std::vector<std::string> row = {fmt::format("{}", node)};
    for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
      std::string experts;
      for (const auto expert : plan.node_slots(layer, node)) {
        if (expert == kVacant) continue;
        experts += fmt::format("{}{}", experts.empty() ? "" : " ", expert);
      }
      row.push_back(experts);
    }
    table.add(std::move(row));
  }
  return table;
}

std::string in_words(const Reconfiguration& change) {
  const auto& summary = change.binding.summary;
  std::string text =
      fmt::format("from the previous plan: {} expert states move{}", summary.experts_moved,
                  change.binding.least_moved ? " (the least possible)" : "");
  if (summary.dense_copies > 0) {
    text += fmt::format(", {} nodes fetch the dense state", summary.dense_copies);
  }
  if (change.bytes) {
    text += fmt::format("; {} in all, {} through the busiest port", to_text(Bytes{*change.bytes}),
                        to_text(Bytes{*change.busiest_port_bytes}));
  }
  if (change.seconds) text += fmt::format(": {:.4g} s", *change.seconds);
  std::string moved;
  for (std::size_t node = 0; node < change.previous_node.size(); ++node) {
    const std::int32_t before = change.previous_node[node];
    if (before == static_cast<std::int32_t>(node)) continue;
    moved += before < 0 ? fmt::format(" {} is new", node) : fmt::format(" {} was {}", node, before);
    moved += ",";
  }
  if (!moved.empty()) text += fmt::format("; node{}", moved.substr(0, moved.size() - 1));
  return text;
}

std::string in_words(Optimality optimality) {
  switch (optimality) {
    case Optimality::proven:
      return "proven best";
    case Optimality::enumerated:
      return "best of all by enumeration";
    case Optimality::unknown:
      break;
  }
  return "not known to be best";
}

void print_for_people(const PlaceAnswer& answer, const PlaceCommand& options) {
  if (options.view == "heatmap") {
    print_text(heat_map(answer, wants_colour()));
  } else {
    print_table(table_of(answer), options.output.format);
  }
  for (std::size_t layer = 0; layer < answer.plan.layers.size(); ++layer) {
    std::string replicas;
    for (const auto count : answer.plan.layers[layer].replicas) {
      replicas += fmt::format("{}{}", replicas.empty() ? "" : " ", count);
    }
    const auto balance = answer.max_over_mean[layer];
    std::string line =
        fmt::format("layer {}: replicas {}; max/mean load {}", layer, replicas,
                    balance ? fmt::format("{:.4g}", *balance) : "unknown (no loads)");
    if (const auto share = answer.off_node_share[layer]) {
      line += fmt::format("; off-node {:.1f} %", *share * 100);
    }
    say(line +
        fmt::format("; gradients {:.3g} expert sizes on the busiest node; recovery for these "
                    "replicas: {}",
                    answer.gradient_traffic[layer], in_words(answer.optimal[layer])));
  }
  if (answer.recovery_by_rates) {
    say(fmt::format("P(loss of the model) by rates: {:.4g}; with the nodes as numbered {:.4g}",
                    answer.recovery_by_rates->loss, answer.recovery_unordered->loss));
  }
  if (answer.reconfiguration) say(in_words(*answer.reconfiguration));
}

int place_frontier(const PlaceRequest& request, const PlaceCommand& options) {
  if (!options.plan_path.empty()) {
    throw CLI::ValidationError("--output", "writes one plan, and the frontier has several");
  }
  if (options.view != "table") {
    throw CLI::ValidationError("--view", "shows one plan, and the frontier has several");
  }
  const auto answered = answer_frontier(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto& plans = std::get<std::vector<FrontierPlan>>(answered);
  if (options.output.format == "json") {
    print_json(frontier_json(request, plans));
    return 0;
  }
  print_table(frontier_table(request, plans), options.output.format);
  say(
      fmt::format("{} plans not dominated in max/mean load (worst layer, min-makespan split), "
                  "P(k) = P(all layers recover | k uniform losses) and gradient traffic",
                  plans.size()));
  return 0;
}

int place(const PlaceCommand& options) {
  if (options.view == "heatmap" && options.output.format != "table") {
    throw CLI::ValidationError(
        "--view", "heatmap is for people: it excludes --format " + options.output.format);
  }
  const bool goodput = options.placement.request.objective == "goodput";
  if (goodput != !options.goodput.scenario.path.empty()) {
    throw CLI::ValidationError("--scenario", "goes with --objective goodput, and only with it");
  }
  if (goodput) {
    if (!options.rates_path.empty()) {
      throw CLI::ValidationError("--rates",
                                 "excludes --objective goodput, whose losses are uniform");
    }
    return place_by_goodput(options.placement, options.goodput, options.plan_path, options.output);
  }
  auto request = read_request(options.placement);
  request.change = read_change(options.change);
  if (!options.rates_path.empty()) {
    request.rates = read_rates(options.rates_path, std::max(request.nodes, 0));
  }
  if (!options.change.model.empty()) {
    request.expert_gradient_bytes =
        model_named(options.change.model).expert_parameters * Precision().gradient_bytes;
  }
  if (request.objective == "frontier") return place_frontier(request, options);
  auto answered = answer_place(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto& answer = std::get<PlaceAnswer>(answered);
  if (!options.plan_path.empty()) {
    write_output(options.plan_path,
                 to_text(plan_json({answer.plan, answer.request.domains})) + "\n",
                 options.output.force);
  }
  if (options.output.format == "json") {
    print_json(place_json(answer));
    return 0;
  }
  print_for_people(answer, options);
  return 0;
}

}  // namespace

void add_place(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<PlaceCommand>();
  auto* command = program.add_subcommand("place", "plan expert replicas on nodes");
  add_placement_options(*command, options->placement);
  add_change_options(*command, options->change);
  add_goodput_options(*command, options->goodput);
  command->add_option("--rates", options->rates_path,
                      "loss probability of each node, a JSON array: nodes take the places in "
                      "which the plan is lost least often");
  command->add_option("--view", options->view, "table, or heatmap: experts down, nodes across")
      ->check(CLI::IsMember({"table", "heatmap"}));
  command->add_option("-o,--output", options->plan_path, "write the plan to this file too");
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return place(*options); }; });
}

}  // namespace bethany
