#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <thread>

#include "sim/base/error.h"
#include "sim/cli/command.h"
#include "sim/study/reproduction.h"

namespace bethany {
namespace {

struct ReproduceCommand {
  std::string paper;
  ReproduceOptions reproduce;
  double within = 0;
  OutputOptions output;
};

/// Rows that a bound is asked of: what was predicted.
int check_bound(const Reproduction& reproduction, double within) {
  int missed = 0;
  for (const auto& row : reproduction.rows) {
    const auto error = row.relative_error();
    if (row.role == RowRole::fitted || !error || std::abs(*error) <= within) continue;
    say(fmt::format("{} is off by {:+.1f} %", row.id, 100 * *error));
    ++missed;
  }
  return missed == 0 ? 0 : kBoundMissed;
}

int reproduce_command(const ReproduceCommand& options) {
  const auto reproduction = reproduce(options.paper, options.reproduce);
  if (options.output.format == "json") {
    print_json(reproduction_answer(reproduction));
  } else {
    print_text(reproduction_text(reproduction, table_format(options.output.format)));
  }
  return options.within > 0 ? check_bound(reproduction, options.within) : 0;
}

}  // namespace

void add_reproduce(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<ReproduceCommand>();
  options->reproduce.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  if (const char* traces = std::getenv("BETHANY_TRACES")) options->reproduce.traces = traces;
  auto* command = program.add_subcommand(
      "reproduce", "published results beside simulated ones (bethany list papers)");
  command->add_option("paper", options->paper, "the paper, such as lazarus")->required();
  command
      ->add_option("--only", options->reproduce.only, "only these experiments (first part of id)")
      ->delimiter(',');
  command->add_option("--draws", options->reproduce.draws, "draws of victims (default 20)")
      ->check(CLI::Range(1, 10000));
  command->add_option("--traces", options->reproduce.traces,
                      "folder of public traces; default: $BETHANY_TRACES");
  command->add_flag("--generated-loads", options->reproduce.generated_loads,
                    "the generator zipf-drift in place of the published routing log");
  command->add_option("-o,--output", options->reproduce.directory,
                      "write the scenario of each experiment into this directory");
  command
      ->add_option("--assert-within", options->within,
                   "exit 5 when a row that is not fitted is off by more than this share")
      ->check(CLI::PositiveNumber);
  command->add_option("-j,--jobs", options->reproduce.threads, "threads")
      ->check(CLI::Range(1, 1024));
  add_format(*command, options->output);
  command->add_flag_callback(
      "--md", [options] { options->output.format = "md"; }, "as --format md");
  command->callback(
      [options, &context] { context.run = [options] { return reproduce_command(*options); }; });
}

}  // namespace bethany
