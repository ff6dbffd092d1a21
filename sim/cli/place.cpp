#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/cli/command.h"
#include "sim/cli/placement_options.h"
#include "sim/model/plan_file.h"

namespace bethany {
namespace {

struct Options {
  PlacementOptions placement;
  std::string plan_path;
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

int place(const Options& options) {
  auto answered = answer_place(read_request(options.placement));
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto& answer = std::get<PlaceAnswer>(answered);
  if (!options.plan_path.empty()) {
    write_output(options.plan_path, to_text(plan_json({answer.plan, {}})) + "\n",
                 options.output.force);
  }
  if (options.output.format == "json") {
    print_json(place_json(answer));
    return 0;
  }
  print_table(table_of(answer), options.output.format);
  for (std::size_t layer = 0; layer < answer.plan.layers.size(); ++layer) {
    std::string replicas;
    for (const auto count : answer.plan.layers[layer].replicas) {
      replicas += fmt::format("{}{}", replicas.empty() ? "" : " ", count);
    }
    const auto balance = answer.max_over_mean[layer];
    say(fmt::format("layer {}: replicas {}; max/mean load {}", layer, replicas,
                    balance ? fmt::format("{:.4g}", *balance) : "unknown (no loads)"));
  }
  return 0;
}

}  // namespace

void add_place(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<Options>();
  auto* command = program.add_subcommand("place", "plan expert replicas on nodes");
  add_placement_options(*command, options->placement);
  command->add_option("-o,--output", options->plan_path, "write the plan to this file too");
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return place(*options); }; });
}

}  // namespace bethany
