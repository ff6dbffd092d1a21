#include <fmt/format.h>

#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/cli/command.h"
#include "sim/model/trace_file.h"
#include "sim/model/trace_text.h"
#include "sim/study/setup.h"
#include "traces/generate.h"
#include "traces/import.h"
#include "traces/statistics.h"

namespace bethany {
namespace {

struct TraceCommand {
  std::string file;
  std::string importer;
  std::string unit;
  std::string generator;
  std::vector<std::string> sets;
  std::uint64_t seed = 1;
  std::string output_path = "-";
  OutputOptions output;
};

Trace read(const TraceCommand& options) {
  auto sets = options.sets;
  if (!options.unit.empty()) sets.push_back("unit=" + options.unit);
  const auto node = node_of(sets);
  ObjectReader reader(node, "");
  auto trace =
      import_trace(read_input(options.file), options.file == "-" ? "standard input" : options.file,
                   options.importer, reader);
  reader.finish();
  return trace;
}

int write(const TraceCommand& options, const Trace& trace) {
  const auto text = write_trace(trace);
  if (options.output_path == "-") {
    print_text(text);
  } else {
    write_output(options.output_path, text, options.output.force);
    say(fmt::format("wrote {}: {} nodes, {} events", options.output_path, trace.node_names.size(),
                    trace.events.size()));
  }
  return 0;
}

int stats(const TraceCommand& options) {
  const auto answer = to_json(statistics_of(read(options)));
  if (options.output.format == "json") {
    print_json(answer);
    return 0;
  }
  Table table({{"statistic", Align::left}, {"value", Align::right}});
  for (const auto& member : answer.members) {
    if (member.key == "schema" || member.key == "version") continue;
    if (member.value.kind == JsonNode::Kind::object) {
      std::string text;
      for (const auto& part : member.value.members) {
        text += fmt::format("{}{}x{}", text.empty() ? "" : " ", part.key, to_line(part.value));
      }
      table.add({member.key, text});
    } else {
      table.add({member.key, to_line(member.value)});
    }
  }
  print_table(table, options.output.format);
  return 0;
}

int check(const TraceCommand& options) {
  const auto trace = read(options);
  say(fmt::format("{}: valid: {} nodes, {} events, {} s", printable(trace.name),
                  trace.node_names.size(), trace.events.size(),
                  to_seconds(trace.end - trace.start)));
  return 0;
}

int generate(const TraceCommand& options) {
  return write(options, generate_trace(options.generator, node_of(options.sets), options.seed));
}

CLI::App* add_reading(CLI::App& parent, const std::string& name, const std::string& help,
                      const std::shared_ptr<TraceCommand>& options) {
  auto* command = parent.add_subcommand(name, help);
  command->add_option("FILE", options->file, "the trace (-: stdin; .gz and .zst are unpacked)")
      ->required();
  command->add_option("--importer", options->importer,
                      "its format, when it is not to be recognised by content");
  command->add_option("--unit", options->unit, "unit of the times of a time,node,event log");
  add_sets(*command, options->sets, "an option of the importer");
  return command;
}

}  // namespace

void add_trace(CLI::App& program, CommandContext& context) {
  auto* trace = program.add_subcommand("trace", "look at, convert and generate traces");
  trace->require_subcommand(1);
  auto options = std::make_shared<TraceCommand>();
  const auto on = [&context, options](CLI::App* command, int (*run)(const TraceCommand&)) {
    command->callback(
        [options, run, &context] { context.run = [options, run] { return run(*options); }; });
  };
  auto* stats_command = add_reading(*trace, "stats", "what a trace says in numbers", options);
  add_format(*stats_command, options->output);
  on(stats_command, stats);

  auto* check_command = add_reading(*trace, "check", "read a trace with every check", options);
  on(check_command, check);

  auto* convert = add_reading(*trace, "convert", "write a trace in the canonical format", options);
  convert->add_option("-o,--output", options->output_path, "the file to write (-: stdout)");
  add_force(*convert, options->output);
  on(convert, [](const TraceCommand& o) { return write(o, read(o)); });

  auto* generate_command = trace->add_subcommand("generate", "draw a trace");
  generate_command->add_option("GENERATOR", options->generator, "see `bethany list generators`")
      ->required();
  add_sets(*generate_command, options->sets, "an option of the generator");
  generate_command->add_option("--seed", options->seed, "the seed")->capture_default_str();
  generate_command->add_option("-o,--output", options->output_path,
                               "the file to write (-: stdout)");
  add_force(*generate_command, options->output);
  on(generate_command, generate);
}

}  // namespace bethany
