#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "analysis/table.h"
#include "sim/base/json.h"
#include "sim/study/setup.h"

namespace bethany {

/// What every command gets and main acts on.
struct CommandContext {
  /// Set by the command that was typed; its value is the exit code.
  std::function<int()> run;
};

/// Options that most commands share; each takes those it wants.
struct OutputOptions {
  std::string format = "table";
  bool force = false;
};

/// `--format table|json|csv|md`, or the formats given.
void add_format(CLI::App& command, OutputOptions& options,
                const std::vector<std::string>& formats = {"table", "json", "csv", "md"});
void add_force(CLI::App& command, OutputOptions& options);

/// The scenario file with `--set` and `--seed`.
struct ScenarioOptions {
  std::string path;
  Overrides overrides;
};
void add_scenario(CLI::App& command, ScenarioOptions& options);

/// Reads and resolves the scenario; its warnings go to stderr.
Setup load_setup(const ScenarioOptions& options);

/// `--set KEY=VALUE` of a command that reads no scenario.
void add_sets(CLI::App& command, std::vector<std::string>& sets, const std::string& help);
/// The object with these keys, as a scenario would have it. Throws InputError.
JsonNode node_of(const std::vector<std::string>& sets);

/// Prints one value on stdout, indented, with a line end.
void print_json(const JsonNode& value);
/// Prints the table on stdout in the format asked for (not json).
void print_table(const Table& table, const std::string& format);
/// Prints the text on stdout as it is. Throws MachineError when it cannot be written.
void print_text(std::string_view text);
/// `--format table|csv|md` as a TableFormat.
TableFormat table_format(const std::string& format);
/// On a terminal, unless NO_COLOR is set.
bool wants_colour();
/// The exit code of an acceptance bound that was missed.
constexpr int kBoundMissed = 5;
/// The names of a comma-separated list; of an empty text none.
std::vector<std::string> split_names(const std::string& list);

/// One line on stderr, unless be_quiet() was called: a warning or a remark.
void say(const std::string& line);
void be_quiet();

/// Throws the error of a malformed command line (exit 2) for an option that exists in the contract
/// but is built in a later version: refused by name.
[[noreturn]] void refuse_option(const std::string& option, const std::string& why);

/// The kinds that `bethany list` takes.
std::vector<std::string> list_kinds();

// Each command is one file; it adds its subcommand to the program.
void add_replay(CLI::App& program, CommandContext& context);
void add_compare(CLI::App& program, CommandContext& context);
void add_sweep(CLI::App& program, CommandContext& context);
void add_merge(CLI::App& program, CommandContext& context);
void add_check(CLI::App& program, CommandContext& context);
void add_list(CLI::App& program, CommandContext& context);
void add_trace(CLI::App& program, CommandContext& context);
void add_routing(CLI::App& program, CommandContext& context);
void add_place(CLI::App& program, CommandContext& context);
void add_recover(CLI::App& program, CommandContext& context);
void add_profile(CLI::App& program, CommandContext& context);
void add_model(CLI::App& program, CommandContext& context);
void add_calibrate(CLI::App& program, CommandContext& context);
void add_validate(CLI::App& program, CommandContext& context);
void add_schema(CLI::App& program, CommandContext& context);
void add_completions(CLI::App& program, CommandContext& context);
void add_timeline(CLI::App& program, CommandContext& context);
void add_reproduce(CLI::App& program, CommandContext& context);
void add_plan(CLI::App& program, CommandContext& context);
void add_report(CLI::App& program, CommandContext& context);

}  // namespace bethany
