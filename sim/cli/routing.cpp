#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/model/routing_import.h"
#include "sim/model/routing_load_file.h"
#include "traces/routing_statistics.h"

namespace bethany {
namespace {

struct RoutingCommand {
  std::string path;
  std::string importer;
  int layers = 0;  // 0: not given
  int experts = 0;
  int top_k = 0;
  std::vector<std::string> sets;
  std::string by = "layer";
  std::string generator;
  std::uint64_t seed = 1;
  std::string output_path = "-";
  OutputOptions output;
};

ImportedRouting read(const RoutingCommand& options) {
  auto sets = options.sets;
  if (!options.importer.empty()) sets.push_back("importer=" + options.importer);
  if (options.layers > 0) sets.push_back(fmt::format("layers={}", options.layers));
  if (options.experts > 0) sets.push_back(fmt::format("experts={}", options.experts));
  const auto node = node_of(sets);
  ObjectReader reader(node, "");
  auto imported = import_routing(RoutingInput(options.path), reader);
  reader.finish();
  return imported;
}

int write(const RoutingCommand& options, const RoutingLoad& load) {
  const auto text = routing_load_text(load);
  if (options.output_path == "-") {
    print_text(text);
    return 0;
  }
  write_output(options.output_path, text, options.output.force);
  say(fmt::format("wrote {}: {} layers of {} experts, {} entries", options.output_path,
                  load.layers(), load.experts(), load.entries().size()));
  return 0;
}

/// "all", or what a row is about, and its numbers.
std::vector<std::string> row_of(std::string name, const RoutingSkew& skew) {
  std::vector<std::string> cells = {std::move(name), fmt::format("{:.3f}", skew.skew)};
  for (const double value : {skew.top1, skew.top4, skew.top8, skew.gini, skew.balancedness}) {
    cells.push_back(fmt::format("{:.3f}", value));
  }
  cells.push_back(fmt::format("{:.1f}", skew.idle_experts));
  return cells;
}

int stats(const RoutingCommand& options) {
  const auto imported = read(options);
  const auto statistics = statistics_of(imported.load);
  if (options.output.format == "json") {
    print_json(to_json(statistics, imported.load, imported.says_top_k));
    return 0;
  }
  const bool by_layer = options.by == "layer";
  std::vector<Table::Column> columns = {{options.by, Align::left}};
  for (const auto* name : {"max/mean", "top-1", "top-4", "top-8", "Gini", "balancedness", "idle"}) {
    columns.push_back({name, Align::right});
  }
  if (by_layer) {
    for (const auto& drift : statistics.drift) {
      columns.push_back({fmt::format("drift {}", drift.lag), Align::right});
    }
  }
  Table table(std::move(columns));
  const auto& rows = by_layer ? statistics.by_layer : statistics.by_entry;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto cells = row_of(
        std::to_string(by_layer ? static_cast<std::int64_t>(i) : statistics.steps[i]), rows[i]);
    if (by_layer) {
      for (const auto& drift : statistics.drift) {
        cells.push_back(fmt::format("{:.3f}", drift.by_layer[i]));
      }
    }
    table.add(std::move(cells));
  }
  auto cells = row_of("all", statistics.all);
  if (by_layer) {
    for (const auto& drift : statistics.drift) {
      cells.push_back(fmt::format("{:.3f}", drift.distance));
    }
  }
  table.add(std::move(cells));
  print_table(table, options.output.format);
  return 0;
}

int convert(const RoutingCommand& options) {
  const auto imported = read(options);
  if (imported.says_top_k && options.top_k > 0 && options.top_k != imported.load.top_k()) {
    throw InputError(fmt::format("--top-k: {}, but {} says {}", options.top_k, options.path,
                                 imported.load.top_k()));
  }
  if (options.top_k > imported.load.experts()) {
    throw InputError(
        fmt::format("--top-k: {} of {} experts", options.top_k, imported.load.experts()));
  }
  const bool given = options.top_k > 0;
  const int code = write(options, given ? imported.load.with_top_k(options.top_k) : imported.load);
  if (!imported.says_top_k && !given) {
    say("the input does not say how many experts a token goes to: 1 is written (--top-k)");
  }
  return code;
}

int generate(const RoutingCommand& options) {
  const auto* entry = routing_generators().find(options.generator);
  if (entry == nullptr) {
    throw InputError(
        unknown_name("routing generator", options.generator, routing_generators().names()));
  }
  const int top_k = options.top_k == 0 ? 1 : options.top_k;
  if (top_k > options.experts) {
    throw InputError(fmt::format("--top-k: {} of {} experts", top_k, options.experts));
  }
  const auto node = node_of(options.sets);
  ObjectReader reader(node, "");
  const auto generator = entry->make(reader);
  reader.finish();
  return write(options, generator->generate({options.layers, options.experts, top_k},
                                            RngStreams(options.seed, 0)));
}

void add_output(CLI::App& command, RoutingCommand& options) {
  command.add_option("-o,--output", options.output_path, "the file to write (-: stdout)");
  add_force(command, options.output);
}

CLI::App* add_reading(CLI::App& parent, const std::string& name, const std::string& help,
                      const std::shared_ptr<RoutingCommand>& options) {
  auto* command = parent.add_subcommand(name, help);
  command
      ->add_option("FILE", options->path,
                   "the loads: a file (-: stdin; .gz and .zst are unpacked) or a directory")
      ->required();
  command->add_option("--importer", options->importer,
                      "its format, when it is not to be recognised by content");
  command->add_option("--layers", options->layers, "keep the first so many layers")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--experts", options->experts,
                   "keep the so many experts of each layer with the largest mean share")
      ->check(CLI::PositiveNumber);
  add_sets(*command, options->sets, "an option of the importer");
  return command;
}

}  // namespace

void add_routing(CLI::App& program, CommandContext& context) {
  auto* routing = program.add_subcommand("routing", "look at, convert and generate routing loads");
  routing->require_subcommand(1);
  auto options = std::make_shared<RoutingCommand>();
  const auto on = [&context, options](CLI::App* command, int (*run)(const RoutingCommand&)) {
    command->callback(
        [options, run, &context] { context.run = [options, run] { return run(*options); }; });
  };
  auto* stats_command =
      add_reading(*routing, "stats", "what a routing load says in numbers", options);
  stats_command->add_option("--by", options->by, "rows of the table: layer or step")
      ->check(CLI::IsMember({"layer", "step"}))
      ->capture_default_str();
  add_format(*stats_command, options->output);
  on(stats_command, stats);

  auto* convert_command =
      add_reading(*routing, "convert", "write a routing load in the canonical format", options);
  convert_command
      ->add_option("--top-k", options->top_k, "experts a token goes to, when the input is silent")
      ->check(CLI::PositiveNumber);
  add_output(*convert_command, *options);
  on(convert_command, convert);

  auto* generate_command = routing->add_subcommand("generate", "draw a routing load");
  generate_command->add_option("GENERATOR", options->generator, "see `bethany list routing`")
      ->required();
  add_sets(*generate_command, options->sets, "an option of the generator");
  generate_command->add_option("--layers", options->layers, "MoE layers")
      ->required()
      ->check(CLI::Range(1, 10'000));
  generate_command->add_option("--experts", options->experts, "experts of a layer")
      ->required()
      ->check(CLI::Range(1, 65'536));
  generate_command->add_option("--top-k", options->top_k, "experts a token goes to (1)")
      ->check(CLI::PositiveNumber);
  generate_command->add_option("--seed", options->seed, "the seed")->capture_default_str();
  add_output(*generate_command, *options);
  on(generate_command, generate);
}

}  // namespace bethany
