#include "tests/support/process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bethany::test {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / ("bethany-" + std::string(6, 'X'))).string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& text) const {
  const auto path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Process::Process(const std::vector<std::string>& arguments, const std::string& input) {
  const auto in = scratch_.write("in", input);
  const auto out = scratch_.path() + "/out";
  const auto err = scratch_.path() + "/err";
  pid_ = fork();
  if (pid_ != 0) return;
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  if (std::freopen(in.c_str(), "r", stdin) == nullptr ||
      std::freopen(out.c_str(), "w", stdout) == nullptr ||
      std::freopen(err.c_str(), "w", stderr) == nullptr) {
    _exit(126);
  }
  execvp(argv[0], argv.data());
  _exit(127);
}

Process::~Process() {
  if (pid_ <= 0) return;
  signal(SIGKILL);
  wait();
}

void Process::signal(int number) const { kill(pid_, number); }

ProcessResult Process::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  ProcessResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = read_text(scratch_.path() + "/out");
  result.err = read_text(scratch_.path() + "/err");
  return result;
}

ProcessResult run_process(const std::vector<std::string>& arguments, const std::string& input) {
  return Process(arguments, input).wait();
}

std::string bethany_program() { return BETHANY_BINARY; }

ProcessResult bethany_command(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), bethany_program());
  return run_process(arguments, input);
}

}  // namespace bethany::test
