#pragma once

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "gpu/elastic/launched_crew.h"
#include "gpu/protocol.h"

namespace bethany::test {

inline int free_port() { return Listener(0).port(); }

inline LaunchedOptions options_of(Kill kill, FabricMaker fabric = connect_by_sockets) {
  return {.launch = launch_of_this_process(),
          .kill = kill,
          .compute = [] { return make_compute("cpu"); },
          .fabric = std::move(fabric)};
}

/// What else can happen where processes meet.
struct Meeting {
  std::string master = "127.0.0.1";  // what the others call the machine of rank 0
  bool stranger = false;             // somebody comes before rank 1 and says nothing
};

/// What torchrun does: processes with their rank in the environment, this one with rank 0.
class Launcher {
 public:
  Launcher(int ranks, Kill kill, const FabricMaker& fabric = connect_by_sockets,
           const Meeting& meeting = {}) {
    ::setenv("WORLD_SIZE", std::to_string(ranks).c_str(), 1);
    ::setenv("MASTER_ADDR", "127.0.0.1", 1);
    ::setenv("MASTER_PORT", std::to_string(free_port()).c_str(), 1);
    std::fflush(nullptr);
    for (int rank = 1; rank < ranks; ++rank) {
      const pid_t pid = ::fork();
      if (pid == 0) be(rank, kill, fabric, meeting);
      pids_.push_back(pid);
    }
    set_rank(0);
  }
  ~Launcher() {
    for (const auto* name : {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
      ::unsetenv(name);
    }
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    ends();
  }
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  /// Sends it to all processes, as who interrupts a job does.
  void signal(int number) const {
    for (const pid_t pid : pids_) ::kill(pid, number);
  }

  /// Of the processes that were still there: "0" of one that ended well, "-9" of one killed.
  std::string ends() {
    std::string text;
    for (const pid_t pid : pids_) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      text += fmt::format("{} ", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    }
    pids_.clear();
    return text;
  }

 private:
  static void set_rank(int rank) {
    ::setenv("RANK", std::to_string(rank).c_str(), 1);
    ::setenv("LOCAL_RANK", std::to_string(rank).c_str(), 1);
  }

  [[noreturn]] static void be(int rank, Kill kill, const FabricMaker& fabric,
                              const Meeting& meeting) {
    set_rank(rank);
    ::setenv("MASTER_ADDR", meeting.master.c_str(), 1);
    std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGABRT, SIGSEGV, SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    try {
      const auto options = options_of(kill, fabric);
      Descriptor mute;
      if (meeting.stranger && rank == 1) {
        mute = connect_to(*options.launch.master, {wall_seconds() + 30});
      }
      serve_launched_rank(options);
    } catch (const std::exception& error) {
      fmt::print(stderr, "rank {}: {}\n", rank, error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }

  std::vector<pid_t> pids_;
};

}  // namespace bethany::test
