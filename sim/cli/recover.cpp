#include <fmt/format.h>

#include <charconv>

#include "sim/base/error.h"
#include "sim/cli/command.h"
#include "sim/cli/placement_options.h"
#include "sim/model/plan_file.h"

namespace bethany {
namespace {

struct Options {
  PlacementOptions placement;
  std::string plan_path;
  std::string failed;
  bool per_layer = false;
  OutputOptions output;
};

int read_count(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) {
    throw CLI::ValidationError("--failed", "expected k or a..b, found '" + std::string(text) + "'");
  }
  return number;
}

PlacementPlan read_or_make_plan(const Options& options) {
  if (!options.plan_path.empty()) return read_plan_file(options.plan_path).plan;
  auto answered = answer_place(read_request(options.placement));
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  return std::get<PlaceAnswer>(std::move(answered)).plan;
}

int recover(const Options& options) {
  RecoverRequest request;
  request.plan = read_or_make_plan(options);
  request.per_layer = options.per_layer;
  request.failed_last = std::min(request.plan.nodes, 8);
  if (!options.failed.empty()) {
    const std::size_t dots = options.failed.find("..");
    request.failed_first = read_count(std::string_view(options.failed).substr(0, dots));
    request.failed_last = dots == std::string::npos
                              ? request.failed_first
                              : read_count(std::string_view(options.failed).substr(dots + 2));
  }
  const auto answered = answer_recover(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto& answer = std::get<RecoverAnswer>(answered);
  if (options.output.format == "json") {
    print_json(recover_json(answer));
    return 0;
  }
  std::vector<Table::Column> columns = {{"nodes lost", Align::right},
                                        {"P(recover), given uniform victims", Align::right}};
  for (std::size_t layer = 0; layer < answer.per_layer.size(); ++layer) {
    columns.push_back({fmt::format("layer {}", layer), Align::right});
  }
  Table table(columns);
  for (int lost = request.failed_first; lost <= request.failed_last; ++lost) {
    const auto index = static_cast<std::size_t>(lost);
    std::vector<std::string> row = {fmt::format("{}", lost),
                                    fmt::format("{:.6g}", answer.joint.probability[index])};
    for (const auto& layer : answer.per_layer) {
      row.push_back(fmt::format("{:.6g}", layer.probability[index]));
    }
    table.add(std::move(row));
  }
  print_table(table, options.output.format);
  std::string witness;
  for (const int node : answer.joint.witness) witness += fmt::format(" {}", node);
  say(fmt::format("any {} losses are survived; a smallest fatal set is{}",
                  answer.joint.guaranteed_losses, witness));
  return 0;
}

}  // namespace

void add_recover(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<Options>();
  auto* command = program.add_subcommand("recover", "how likely a plan survives losses of nodes");
  add_placement_options(*command, options->placement);
  command->add_option("--plan", options->plan_path, "a plan file, or the JSON of `place`");
  command->add_option("--failed", options->failed, "nodes lost at once: k or a..b (default 1..8)");
  command->add_flag("--per-layer", options->per_layer, "each layer alone too");
  add_later_option(*command, "--rates", "loss probabilities by node");
  add_format(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return recover(*options); }; });
}

}  // namespace bethany
