#include <fmt/format.h>

#include <charconv>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/cli/command.h"
#include "sim/cli/placement_options.h"
#include "sim/model/plan_file.h"
#include "traces/import.h"
#include "traces/statistics.h"

namespace bethany {
namespace {

struct RecoverCommand {
  PlacementOptions placement;
  std::string plan_path;
  std::string failed;
  std::string rates_path;
  std::string bulk_path;
  std::string method = "auto";
  std::int64_t samples = 1'000'000;
  bool per_layer = false;
  bool importance = false;
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

PlanFile read_or_make_plan(const RecoverCommand& options) {
  if (!options.plan_path.empty()) return read_plan_file(options.plan_path);
  auto answered = answer_place(read_request(options.placement));
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  return {std::get<PlaceAnswer>(std::move(answered)).plan, {}};
}

/// How many nodes the trace loses at once, and how often.
std::map<std::int64_t, std::int64_t> read_bulk_sizes(const std::string& path) {
  const JsonNode none;
  ObjectReader reader(none, "");
  auto sizes = statistics_of(import_trace(read_input(path), path, "", reader)).bulk_sizes;
  if (sizes.empty()) throw InputError(path + ": a trace without losses");
  return sizes;
}

RecoverMethod method_of(const std::string& name) {
  if (name == "exact") return RecoverMethod::exact;
  if (name == "monte-carlo") return RecoverMethod::monte_carlo;
  if (name == "importance-sampling") return RecoverMethod::importance_sampling;
  return RecoverMethod::automatic;
}

RecoverRequest read_recover(const RecoverCommand& options) {
  RecoverRequest request;
  auto file = read_or_make_plan(options);
  request.plan = std::move(file.plan);
  request.domains = std::move(file.domains);
  if (!options.placement.domains_file.empty()) {
    request.domains = read_domains_file(options.placement.domains_file, request.plan.nodes);
  }
  request.per_layer = options.per_layer;
  request.importance = options.importance;
  request.method = method_of(options.method);
  request.samples = options.samples;
  request.seed = options.placement.request.seed;
  request.failed_last = std::min(request.plan.nodes, 8);
  if (!options.failed.empty()) {
    const std::size_t dots = options.failed.find("..");
    request.failed_first = read_count(std::string_view(options.failed).substr(0, dots));
    request.failed_last = dots == std::string::npos
                              ? request.failed_first
                              : read_count(std::string_view(options.failed).substr(dots + 2));
  }
  if (!options.rates_path.empty()) {
    request.rates = read_rates(options.rates_path, request.plan.nodes);
  }
  if (!options.bulk_path.empty()) request.bulk_sizes = read_bulk_sizes(options.bulk_path);
  return request;
}

std::string bounds_text(const RecoverResult& result) {
  if (!result.samples) return "exact";
  return fmt::format("{:.6g} .. {:.6g}", result.low, result.high);
}

std::string method_text(const RecoverResult& result) {
  if (!result.samples) return result.method;
  return fmt::format("{}, {} samples", result.method, *result.samples);
}

/// A row for each number of losses (one with rates): all layers, and each alone when asked for.
Table curve_table(const RecoverAnswer& answer) {
  const bool rated = !answer.request.rates.empty();
  std::vector<Table::Column> columns = {
      {rated ? "losses" : "nodes lost", Align::right},
      {rated ? "P(recover), given rates" : "P(recover), given uniform victims", Align::right},
      {"95 %", Align::right},
      {"P(loss of the model)", Align::right},
      {"method", Align::left}};
  for (std::size_t layer = 0; layer < answer.per_layer.size(); ++layer) {
    columns.push_back({fmt::format("layer {}", layer), Align::right});
  }
  Table table(columns);
  for (std::size_t i = 0; i < answer.joint.results.size(); ++i) {
    const auto& result = answer.joint.results[i];
    std::vector<std::string> row = {rated ? "by rates" : fmt::format("{}", result.failed),
                                    fmt::format("{:.6g}", result.probability), bounds_text(result),
                                    fmt::format("{:.4g}", result.loss), method_text(result)};
    for (const auto& layer : answer.per_layer) {
      row.push_back(fmt::format("{:.6g}", layer.results[i].probability));
    }
    table.add(std::move(row));
  }
  return table;
}

/// A row for each node, a column for each number of losses.
Table importance_table(const RecoverAnswer& answer) {
  const auto& results = answer.joint.results;
  std::vector<Table::Column> columns = {{"importance of node", Align::right}};
  for (const auto& result : results) {
    columns.push_back({answer.request.rates.empty() ? fmt::format("{} lost", result.failed)
                                                    : std::string("by rates"),
                       Align::right});
  }
  Table table(columns);
  for (int node = 0; node < answer.request.plan.nodes; ++node) {
    std::vector<std::string> row = {fmt::format("{}", node)};
    for (const auto& result : results) {
      row.push_back(result.importance.empty()
                        ? "-"
                        : fmt::format("{:.4g}", result.importance[static_cast<std::size_t>(node)]));
    }
    table.add(std::move(row));
  }
  return table;
}

Table domain_table(const DomainRecovery& domains) {
  Table table({{"domains lost", Align::right},
               {"P(recover), given uniform domains", Align::right},
               {"95 %", Align::right},
               {"method", Align::left}});
  for (const auto& result : domains.results) {
    table.add({fmt::format("{}", result.failed), fmt::format("{:.6g}", result.probability),
               bounds_text(result), method_text(result)});
  }
  return table;
}

void print_tables(const RecoverAnswer& answer, const std::string& format) {
  print_table(curve_table(answer), format);
  if (answer.request.importance) {
    print_text("\n");
    print_table(importance_table(answer), format);
  }
  if (answer.domains) {
    print_text("\n");
    print_table(domain_table(*answer.domains), format);
  }
  std::string witness;
  for (const int node : answer.joint.witness) witness += fmt::format(" {}", node);
  say(fmt::format("any {} losses are survived; a smallest fatal set is{}",
                  answer.joint.guaranteed_losses, witness));
  if (answer.domains && answer.domains->witness.empty()) {
    say("the loss of all domains is survived");
  } else if (answer.domains) {
    std::string names;
    for (const auto& name : answer.domains->witness) names += " " + one_line(name);
    say(fmt::format("any {} whole domains are survived; a smallest fatal set is{}",
                    answer.domains->guaranteed_losses, names));
  }
  if (answer.bulk) {
    say(fmt::format("given a loss as the trace has them: P(recover) {:.6g} ({})",
                    answer.bulk->probability, bounds_text(*answer.bulk)));
  }
}

int recover(const RecoverCommand& options) {
  const auto answered = answer_recover(read_recover(options));
  if (const auto* infeasible = std::get_if<Infeasible>(&answered)) {
    throw InfeasibleError(infeasible->reason);
  }
  const auto& answer = std::get<RecoverAnswer>(answered);
  if (options.output.format == "json") {
    print_json(recover_json(answer));
  } else {
    print_tables(answer, options.output.format);
  }
  return 0;
}

}  // namespace

void add_recover(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<RecoverCommand>();
  auto* command = program.add_subcommand("recover", "how likely a plan survives losses of nodes");
  add_placement_options(*command, options->placement);
  command->add_option("--plan", options->plan_path, "a plan file, or the JSON of `place`");
  auto* failed = command->add_option("--failed", options->failed,
                                     "nodes lost at once: k or a..b (default 1..8)");
  command
      ->add_option("--rates", options->rates_path,
                   "JSON array of the nodes' loss probabilities, independent")
      ->excludes(failed);
  command->add_option("--bulk", options->bulk_path,
                      "a trace: also P(recover) given a loss of as many nodes as its losses have");
  command->add_flag("--per-layer", options->per_layer, "each layer alone too");
  command->add_flag("--importance", options->importance, "how much each node counts (Birnbaum)");
  command->add_option("--method", options->method, "auto is exact where that can be afforded")
      ->check(CLI::IsMember({"auto", "exact", "monte-carlo", "importance-sampling"}))
      ->capture_default_str();
  command->add_option("--samples", options->samples, "for each probability that is sampled")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}))
      ->capture_default_str();
  add_format(*command, options->output);
  command->callback([options, &context] { context.run = [options] { return recover(*options); }; });
}

}  // namespace bethany
