// The program `bethany`: parses the command line, runs one command, and turns errors into the exit
// codes of the contract (README.md).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"

namespace {

enum ExitCode { kMachineFailed = 1, kUsage = 2, kInputWrong = 3, kNoRun = 4 };

int fail(int code, const char* message) {
  fmt::print(stderr, "bethany: {}\n", message);
  return code;
}

/// CLI11 says of an unknown command only that one is required: name it, and the nearest. Throws
/// CLI::ValidationError.
void check_command(const CLI::App& parent, int argc, char** argv, int place) {
  static const std::vector<std::string> kLater = {"fetch"};
  if (place >= argc || argv[place][0] == '-') return;
  const std::string typed = argv[place];
  std::vector<std::string> names;
  for (const auto* command : parent.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == typed) {
      const bool nested = !command->get_subcommands([](const CLI::App*) { return true; }).empty();
      if (nested) check_command(*command, argc, argv, place + 1);
      return;
    }
    names.push_back(command->get_name());
  }
  for (const auto& later : kLater) {
    if (typed == later)
      throw CLI::ValidationError(typed, "is not built yet; a later version has it");
  }
  throw CLI::ValidationError(bethany::unknown_name("command", typed, names));
}

struct Command {
  std::string_view name;
  void (*add)(CLI::App& program, bethany::CommandContext& context);
};

constexpr Command kCommands[] = {
    {"replay", bethany::add_replay},       {"compare", bethany::add_compare},
    {"place", bethany::add_place},         {"recover", bethany::add_recover},
    {"trace", bethany::add_trace},         {"check", bethany::add_check},
    {"model", bethany::add_model},         {"list", bethany::add_list},
    {"profile", bethany::add_profile},     {"calibrate", bethany::add_calibrate},
    {"reproduce", bethany::add_reproduce}, {"plan", bethany::add_plan},
    {"routing", bethany::add_routing},     {"report", bethany::add_report},
    {"sweep", bethany::add_sweep},         {"merge", bethany::add_merge},
    {"timeline", bethany::add_timeline},   {"completions", bethany::add_completions},
    {"schema", bethany::add_schema},       {"validate", bethany::add_validate},
};

/// Adds the command that is typed, or all when that is none of them or speaks of all: building the
/// options of all of them took 1.4 M of the 44 M instructions of a whole replay of the p3 trace.
void add_commands(CLI::App& program, bethany::CommandContext& context, std::string_view typed) {
  const auto* const known = std::find_if(std::begin(kCommands), std::end(kCommands),
                                         [&](const Command& each) { return each.name == typed; });
  const bool all = known == std::end(kCommands) || typed == "completions";
  for (const auto& command : kCommands) {
    if (all || command.name == typed) command.add(program, context);
  }
}

int run(int argc, char** argv) {
  using namespace bethany;
  CLI::App program{"Simulates resilient and elastic training of Mixture-of-Experts models."};
  program.name("bethany");
  program.set_version_flag("--version", std::string("bethany ") + BETHANY_VERSION);
  program.require_subcommand(1);
  program.failure_message(CLI::FailureMessage::simple);
  CommandContext context;
  add_commands(program, context, argc > 1 ? argv[1] : "");
  try {
    check_command(program, argc, argv, 1);
    program.parse(argc, argv);
    if (!context.run) return fail(kUsage, "give a command; --help lists them");
    return context.run();
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.exit(asked);
  } catch (const CLI::ParseError& error) {
    return fail(kUsage, error.what());
  } catch (const InputError& error) {
    return fail(kInputWrong, error.what());
  } catch (const InfeasibleError& error) {
    return fail(kNoRun, error.what());
  } catch (const MachineError& error) {
    return fail(kMachineFailed, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kMachineFailed, "out of memory");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a failed write, reported as such
  return run(argc, argv);
}
