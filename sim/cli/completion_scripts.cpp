#include "sim/cli/completion_scripts.h"

#include <fmt/format.h>

namespace bethany {
namespace {

/// In single quotes, for any of the shells.
std::string quoted(const std::string& text, const char* quote_inside = "'\\''") {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += quote_inside;
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// The patterns of all commands below the program: ' replay'|' trace'|' trace stats'.
std::string paths(const std::vector<CompletedCommand>& commands, const char* separator) {
  std::string text;
  for (const auto& command : commands) {
    if (command.path.empty()) continue;
    text += (text.empty() ? "" : separator) + quoted(command.path);
  }
  return text;
}

/// What bash and zsh share: both have `case`, and each its own function for names and for files.
struct Shell {
  const char* list;  // how the names of a list are asked for
  const char* files;
};

std::string reply(const Completion& value, const Shell& shell) {
  if (value.names()) {
    auto words = joined(value.words);
    if (!value.list.empty()) {
      words += fmt::format("{}$({} {})", words.empty() ? "" : " ", shell.list, value.list);
    }
    return fmt::format("_bethany_reply {} \"{}\"", value.commas ? "," : "''", words);
  }
  return value.files ? shell.files : ":";
}

/// The value of an option: case "$at $prev" in.
std::string option_values(const std::vector<CompletedCommand>& commands, const Shell& shell) {
  std::string text;
  for (const auto& command : commands) {
    for (const auto& option : command.options) {
      if (!option.takes_value) continue;
      std::string patterns;
      for (const auto& name : option.names) {
        patterns += (patterns.empty() ? "" : "|") + quoted(command.path + " " + name);
      }
      text += fmt::format("    {}) {}; return ;;\n", patterns, reply(option.value, shell));
    }
  }
  return text;
}

/// What stands in a command without being an option's.
std::string positionals(const std::vector<CompletedCommand>& commands, const Shell& shell) {
  std::string text;
  for (const auto& command : commands) {
    std::string replies;
    for (const auto& positional : command.positionals) {
      replies += (replies.empty() ? "" : "; ") + reply(positional, shell);
    }
    if (!replies.empty()) text += fmt::format("    {}) {} ;;\n", quoted(command.path), replies);
  }
  return text;
}

constexpr char kList[] = R"(_bethany_list() {
  bethany list "$1" --format csv 2>/dev/null | tail -n +2 | cut -d, -f1
}
)";

}  // namespace

std::string bash_completions(const std::vector<CompletedCommand>& commands) {
  const Shell shell{"_bethany_list", "_bethany_files"};
  std::string options;
  std::string below;
  for (const auto& command : commands) {
    std::vector<std::string> names;
    for (const auto& option : command.options) {
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
    options += fmt::format("    {}) _bethany_reply '' {} ;;\n", quoted(command.path),
                           quoted(joined(names)));
    if (command.commands.empty()) continue;
    names.clear();
    for (const auto& [name, summary] : command.commands) names.push_back(name);
    below += fmt::format("    {}) _bethany_reply '' {} ;;\n", quoted(command.path),
                         quoted(joined(names)));
  }
  return fmt::format(R"(# Completes bethany in bash: source <(bethany completions bash)
{0}_bethany_reply() {{
  local before=
  if [[ $1 == , && $cur == *,* ]]; then before=${{cur%,*}},; fi
  mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(
    compgen -P "$before" -W "$2" -- "${{cur#"$before"}}")
}}
_bethany_files() {{
  compopt -o filenames 2>/dev/null
  mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$cur")
}}
_bethany() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} at= i
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at ${{COMP_WORDS[i]}}" in
    {1}) at="$at ${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$at $prev" in
{2}  esac
  if [[ $cur == -* ]]; then
    case "$at" in
{3}    esac
    return
  fi
  case "$at" in
{4}{5}  esac
}}
complete -F _bethany bethany
)",
                     kList, paths(commands, "|"), option_values(commands, shell), options, below,
                     positionals(commands, shell));
}

std::string zsh_completions(const std::vector<CompletedCommand>& commands) {
  const Shell shell{"_bethany_list", "_files"};
  const auto described = [](const std::string& name, const std::string& summary) {
    return quoted(name + ":" + summary);
  };
  std::string options;
  std::string below;
  for (const auto& command : commands) {
    std::vector<std::string> words;
    for (const auto& option : command.options) {
      for (const auto& name : option.names) words.push_back(described(name, option.summary));
    }
    options += fmt::format("    {}) found=({}) ;;\n", quoted(command.path), joined(words));
    if (command.commands.empty()) continue;
    words.clear();
    for (const auto& [name, summary] : command.commands) words.push_back(described(name, summary));
    below += fmt::format("    {}) found=({}); _describe command found ;;\n", quoted(command.path),
                         joined(words));
  }
  return fmt::format(R"(#compdef bethany
# Completes bethany in zsh: source <(bethany completions zsh), or as _bethany in $fpath
{0}_bethany_reply() {{
  [[ $1 == , ]] && compset -P '*,'
  compadd -- ${{=2}}
}}
_bethany() {{
  local cur=${{words[CURRENT]}} prev=${{words[CURRENT - 1]}} at= i
  local -a found
  if [[ $cur == --*=* ]]; then
    prev=${{cur%%=*}}
    compset -P '*='
  fi
  for ((i = 2; i < CURRENT; i++)); do
    case "$at ${{words[i]}}" in
    {1}) at="$at ${{words[i]}}" ;;
    esac
  done
  case "$at $prev" in
{2}  esac
  if [[ $cur == -* ]]; then
    case "$at" in
{3}    esac
    _describe option found
    return
  fi
  case "$at" in
{4}{5}  esac
}}
if [[ $funcstack[1] == _bethany ]]; then _bethany "$@"; else compdef _bethany bethany; fi
)",
                     kList, paths(commands, "|"), option_values(commands, shell), options, below,
                     positionals(commands, shell));
}

std::string fish_completions(const std::vector<CompletedCommand>& commands) {
  const auto fish = [](const std::string& text) { return quoted(text, "\\'"); };
  const auto names = [&](const Completion& value) {
    auto words = joined(value.words);
    if (!value.list.empty()) {
      words += fmt::format("{}(__bethany_list {})", words.empty() ? "" : " ", value.list);
    }
    return fish(words);
  };
  std::string text = fmt::format(R"(# Completes bethany in fish: bethany completions fish | source
function __bethany_list
    bethany list $argv[1] --format csv 2>/dev/null | tail -n +2 | string split -f 1 ,
end
function __bethany_at
    set -l at ''
    for word in (commandline -opc)[2..]
        switch "$at $word"
            case {}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c bethany -f
)",
                                 paths(commands, " "));
  for (const auto& command : commands) {
    const auto start =
        fmt::format("complete -c bethany -n \"__bethany_at {}\"", quoted(command.path));
    for (const auto& [name, summary] : command.commands) {
      text += fmt::format("{} -a {} -d {}\n", start, name, fish(summary));
    }
    for (const auto& positional : command.positionals) {
      if (positional.names()) text += fmt::format("{} -a {}\n", start, names(positional));
      if (positional.files) text += start + " -F\n";
    }
    for (const auto& option : command.options) {
      text += start;
      for (const auto& name : option.names) {
        const bool is_long = name.starts_with("--");
        text += fmt::format(" {} {}", is_long ? "-l" : "-s", name.substr(is_long ? 2 : 1));
      }
      if (option.takes_value) text += option.value.files ? " -r -F" : " -x";
      if (option.value.names()) text += " -a " + names(option.value);
      text += fmt::format(" -d {}\n", fish(option.summary));
    }
  }
  return text;
}

}  // namespace bethany
