#include "sim/study/sweep/merge.h"

#include <fmt/format.h>

#include "sim/cli/command.h"
#include "sim/cli/sweep_output.h"

namespace bethany {
namespace {

constexpr int kPartialSweep = 6;

struct MergeCommand {
  std::vector<std::string> directories;
  std::string output_directory;
  OutputOptions output;
};

int merge_command(const MergeCommand& options) {
  try {
    merge_shards(options.directories, options.output_directory, options.output.force);
  } catch (const PartialSweep& partial) {
    say(fmt::format("bethany: {}", partial.what()));
    return kPartialSweep;
  }
  print_sweep(options.output_directory, options.output);
  return 0;
}

}  // namespace

void add_merge(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<MergeCommand>();
  auto* command = program.add_subcommand("merge", "join the shards of a sweep");
  command->add_option("DIR", options->directories, "directories of the shards")->required();
  command->add_option("-o,--output", options->output_directory, "where the whole is written")
      ->required();
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return merge_command(*options); }; });
}

}  // namespace bethany
