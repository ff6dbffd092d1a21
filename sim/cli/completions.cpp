#include <algorithm>
#include <map>

#include "sim/cli/command.h"
#include "sim/cli/completion_scripts.h"

namespace bethany {
namespace {

/// Names that `bethany list` knows, by option or argument; by command where that decides.
const std::map<std::string, std::string>& lists() {
  static const std::map<std::string, std::string> table = {
      {"--policy", "policies"},
      {"--policies", "policies"},
      {"--baseline", "policies"},
      {"--assert", "metrics"},
      {"--allocation", "allocation"},
      {"--placement", "placement"},
      {"--dispatch", "dispatch"},
      {"--model", "models"},
      {"--node-type", "node-types"},
      {"MODEL", "models"},
      {"PROFILE", "profiles"},
      {"paper", "papers"},
      {" trace stats --importer", "importers"},
      {" trace convert --importer", "importers"},
      {" trace generate GENERATOR", "generators"},
      {" routing stats --importer", "routing-importers"},
      {" routing convert --importer", "routing-importers"},
      {" routing generate GENERATOR", "routing"},
  };
  return table;
}

/// "TEXT:{table,json,csv,md}" names what CLI::IsMember lets pass.
std::vector<std::string> members_of(const std::string& type) {
  const auto open = type.find('{');
  const auto close = type.find('}', open == std::string::npos ? 0 : open);
  std::vector<std::string> words;
  if (open == std::string::npos || close == std::string::npos) return words;
  std::size_t from = open + 1;
  while (from < close) {
    const auto to = std::min(type.find(',', from), close);
    words.push_back(type.substr(from, to - from));
    from = to + 1;
  }
  return words;
}

Completion completion_of(const CLI::Option& option, const std::string& path,
                         const std::string& name) {
  Completion value;
  const auto type = option.get_type_name();
  if (path == " list" && name == "KIND") {
    value.words = list_kinds();
    return value;
  }
  value.words = members_of(type);
  if (!value.words.empty()) return value;
  auto found = lists().find(path + " " + name);
  if (found == lists().end()) found = lists().find(name);
  if (found != lists().end()) value.list = found->second;
  value.commas = name == "--policies";
  // Models and profiles are names or files; other text without names may be a file.
  const bool either = name == "MODEL" || name == "PROFILE" || name == "--model";
  value.files = either || (value.list.empty() && type.starts_with("TEXT"));
  return value;
}

void walk(const CLI::App& command, const std::string& path,
          std::vector<CompletedCommand>& commands) {
  CompletedCommand completed{.path = path};
  for (const auto* option : command.get_options()) {
    CompletedOption each{.summary = option->get_description(),
                         .takes_value = option->get_items_expected_max() > 0};
    for (const auto& name : option->get_snames()) each.names.push_back("-" + name);
    for (const auto& name : option->get_lnames()) each.names.push_back("--" + name);
    if (each.names.empty()) {
      completed.positionals.push_back(completion_of(*option, path, option->get_name()));
      continue;
    }
    if (each.takes_value) each.value = completion_of(*option, path, each.names.back());
    completed.options.push_back(std::move(each));
  }
  const auto all = [](const CLI::App*) { return true; };
  for (const auto* below : command.get_subcommands(all)) {
    completed.commands.emplace_back(below->get_name(), below->get_description());
  }
  commands.push_back(std::move(completed));
  for (const auto* below : command.get_subcommands(all)) {
    walk(*below, path + " " + below->get_name(), commands);
  }
}

int print_completions(const CLI::App& program, const std::string& shell) {
  std::vector<CompletedCommand> commands;
  walk(program, "", commands);
  if (shell == "bash") print_text(bash_completions(commands));
  if (shell == "zsh") print_text(zsh_completions(commands));
  if (shell == "fish") print_text(fish_completions(commands));
  return 0;
}

}  // namespace

void add_completions(CLI::App& program, CommandContext& context) {
  auto shell = std::make_shared<std::string>();
  auto* command =
      program.add_subcommand("completions", "a script that completes commands, options and names");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&program, shell, &context] {
    context.run = [&program, shell] { return print_completions(program, *shell); };
  });
}

}  // namespace bethany
