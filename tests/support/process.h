#pragma once

#include <string>
#include <vector>

namespace bethany::test {

/// What a program did.
struct ProcessResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out;
  std::string err;
};

/// Runs a program with arguments, `input` on its standard input, and waits for it.
ProcessResult run_process(const std::vector<std::string>& arguments, const std::string& input = "");

/// The program under test with these arguments.
ProcessResult bethany_command(std::vector<std::string> arguments, const std::string& input = "");

/// A directory of its own, removed with all in it at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file in it and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

std::string read_text(const std::string& path);

}  // namespace bethany::test
