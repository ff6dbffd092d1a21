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

/// A program at work, killed at the end if it is not waited for.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const std::string& input = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void signal(int number) const;
  ProcessResult wait();

 private:
  TemporaryDirectory scratch_;
  int pid_ = -1;
};

/// Runs a program with arguments, `input` on its standard input, and waits for it.
ProcessResult run_process(const std::vector<std::string>& arguments, const std::string& input = "");

/// Where the program under test lies.
std::string bethany_program();

/// The program under test with these arguments.
ProcessResult bethany_command(std::vector<std::string> arguments, const std::string& input = "");

std::string read_text(const std::string& path);

}  // namespace bethany::test
