// `bethany calibrate …` and `bethany validate …` are commands of `bethany-gpu`: the program beside
// this one, else in PATH.
#include <unistd.h>

#include <filesystem>

#include "sim/base/error.h"
#include "sim/cli/command.h"

namespace bethany {
namespace {

constexpr char kProgram[] = "bethany-gpu";

/// Becomes that program. Throws MachineError when it is nowhere.
int become_gpu_program(const std::string& command, const std::vector<std::string>& arguments) {
  std::error_code unknown;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const std::string beside = unknown ? "" : (own.parent_path() / kProgram).string();
  std::vector<std::string> all{kProgram, command};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (!beside.empty()) execv(beside.c_str(), argv.data());
  execvp(kProgram, argv.data());
  throw MachineError("bethany-gpu is neither beside this program nor in PATH");
}

/// Adds a command whose options, --help among them, are for the other program.
void forward(CLI::App& program, CommandContext& context, const std::string& name,
             const std::string& summary) {
  auto* const command = program.add_subcommand(name, summary + " (bethany-gpu)");
  command->set_help_flag();
  command->prefix_command();
  command->callback([command, name, &context] {
    context.run = [name, arguments = command->remaining()] {
      return become_gpu_program(name, arguments);
    };
  });
}

}  // namespace

void add_calibrate(CLI::App& program, CommandContext& context) {
  forward(program, context, "calibrate", "measure this machine's device and write a profile");
}

void add_validate(CLI::App& program, CommandContext& context) {
  forward(program, context, "validate",
          "run policies for real and set what was predicted beside what was measured");
}

}  // namespace bethany
