#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bethany {

/// What a word of the command line is completed with.
struct Completion {
  std::vector<std::string> words;  // these
  std::string list;                // the names that `bethany list …` prints at that moment
  bool commas = false;             // several of them, with commas
  bool files = false;

  bool names() const { return !words.empty() || !list.empty(); }
};

struct CompletedOption {
  std::vector<std::string> names;  // with their dashes
  std::string summary;
  bool takes_value = false;
  Completion value;
};

/// A command, `path` " trace stats" with a space before every word, "" for the program itself.
struct CompletedCommand {
  std::string path;
  std::vector<std::pair<std::string, std::string>> commands;  // below it: name, summary
  std::vector<CompletedOption> options;
  std::vector<Completion> positionals;
};

/// A script that completes `bethany` in that shell. Pure: the same for the same commands.
std::string bash_completions(const std::vector<CompletedCommand>& commands);
std::string zsh_completions(const std::vector<CompletedCommand>& commands);
std::string fish_completions(const std::vector<CompletedCommand>& commands);

}  // namespace bethany
