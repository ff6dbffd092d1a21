// `bethany calibrate …` is `bethany-gpu calibrate …`: the program beside this one, else in PATH.
#include <unistd.h>

#include <filesystem>

#include "sim/base/error.h"
#include "sim/cli/command.h"

namespace bethany {
namespace {

constexpr char kProgram[] = "bethany-gpu";

/// Becomes that program. Throws MachineError when it is nowhere.
int become_gpu_program(const std::vector<std::string>& arguments) {
  std::error_code unknown;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const std::string beside = unknown ? "" : (own.parent_path() / kProgram).string();
  std::vector<std::string> all{kProgram, "calibrate"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (!beside.empty()) execv(beside.c_str(), argv.data());
  execvp(kProgram, argv.data());
  throw MachineError("bethany-gpu is neither beside this program nor in PATH");
}

}  // namespace

void add_calibrate(CLI::App& program, CommandContext& context) {
  auto* const command = program.add_subcommand(
      "calibrate", "measure this machine's device and write a profile (bethany-gpu)");
  command->set_help_flag();  // --help is for the other program
  command->prefix_command();
  command->callback([command, &context] {
    context.run = [arguments = command->remaining()] { return become_gpu_program(arguments); };
  });
}

}  // namespace bethany
