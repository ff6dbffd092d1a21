#include "sim/cli/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "sim/base/error.h"

namespace bethany {
namespace {

bool quiet = false;  // of the one command that runs

}  // namespace

void add_format(CLI::App& command, OutputOptions& options,
                const std::vector<std::string>& formats) {
  command.add_option("--format", options.format, "how to print the result")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
}

void add_force(CLI::App& command, OutputOptions& options) {
  command.add_flag("--force", options.force, "overwrite what exists");
}

void add_scenario(CLI::App& command, ScenarioOptions& options) {
  command.add_option("SCENARIO", options.path, "scenario file (JSON with comments; -: stdin)")
      ->required();
  command
      .add_option("--set", options.overrides.sets,
                  "override a key of the scenario: a.b.c=value (may be repeated)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--seed", options.overrides.seed, "override the seed");
}

Setup load_setup(const ScenarioOptions& options) {
  auto setup = make_setup(read_scenario_tree(options.path, options.overrides));
  for (const auto& warning : setup.warnings) say("warning: " + warning);
  return setup;
}

void add_sets(CLI::App& command, std::vector<std::string>& sets, const std::string& help) {
  command.add_option("--set", sets, help)->type_name("KEY=VALUE")->allow_extra_args(false);
}

JsonNode node_of(const std::vector<std::string>& sets) {
  JsonNode node;
  node.kind = JsonNode::Kind::object;
  for (const auto& setting : sets) apply_set(node, setting);
  return node;
}

void print_text(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) throw MachineError("cannot write to standard output");
}

void print_json(const JsonNode& value) { print_text(to_text(value) + "\n"); }

TableFormat table_format(const std::string& format) {
  if (format == "csv") return TableFormat::csv;
  return format == "md" ? TableFormat::md : TableFormat::text;
}

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

void print_table(const Table& table, const std::string& format) {
  print_text(render(table, table_format(format), wants_colour()));
}

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  std::size_t from = 0;
  while (from <= list.size() && !list.empty()) {
    const std::size_t to = std::min(list.find(',', from), list.size());
    names.push_back(list.substr(from, to - from));
    from = to + 1;
  }
  return names;
}

void say(const std::string& line) {
  if (!quiet) fmt::print(stderr, "{}\n", line);
}

void be_quiet() { quiet = true; }

void refuse_option(const std::string& option, const std::string& why) {
  throw CLI::ValidationError(option, why);
}

}  // namespace bethany
