#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "gpu/elastic/remote_crew.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

std::pair<Descriptor, Descriptor> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw MachineError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

struct RankProcess : RemoteRank {
  pid_t pid = 0;
};

/// Ranks forked from this process.
class ProcessCrew final : public RemoteCrew {
 public:
  ProcessCrew(const TrainingSetup& setup, std::function<std::unique_ptr<Compute>()> compute)
      : RemoteCrew(configurations_), setup_(setup), compute_(std::move(compute)) {}

  ~ProcessCrew() override {
    std::vector<NodeId> all;
    for (const auto& [node, ranks] : machines_) all.push_back(node);
    ProcessCrew::kill(all);
  }

  void start(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      BETHANY_CHECK(!runs(node), "machine {} already runs", node.value);
      auto& ranks = machines_[node];
      for (int gpu = 0; gpu < setup_.placement.gpus_per_node; ++gpu) ranks.push_back(fork_rank());
    }
    for (const auto node : nodes) {
      for (auto* const rank : machines_.at(node)) await_hello(*rank);
    }
  }

  void kill(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      const auto found = machines_.find(node);
      if (found == machines_.end()) continue;
      strike({node});
      const auto dead = found->second;
      forget(node);
      for (auto* const rank : dead) {
        ::waitpid(static_cast<RankProcess*>(rank)->pid, nullptr, 0);
        std::erase_if(processes_, [&](const auto& process) { return process.get() == rank; });
      }
    }
  }

 private:
  RankProcess* fork_rank() {
    auto [control, control_of_rank] = socket_pair();
    auto [call_off, called_off] = socket_pair();
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw MachineError(fmt::format("cannot fork: {}", std::strerror(errno)));
    if (pid == 0) {
      // Nobody outlives its coordinator, and nobody keeps others' connections open.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      control.close();
      call_off.close();
      for (auto& other : processes_) {
        other->control.close();
        other->call_off.close();
      }
      be_rank(control_of_rank.get(), called_off.get());
    }
    auto rank = std::make_unique<RankProcess>();
    rank->pid = pid;
    rank->control = std::move(control);
    rank->call_off = std::move(call_off);
    return processes_.emplace_back(std::move(rank)).get();
  }

  [[noreturn]] void be_rank(int control, int called_off) {
    std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGABRT, SIGSEGV, SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    try {
      const RankLink link{.control = control, .called_off = called_off, .compute = compute_};
      serve_rank(link, &setup_);
    } catch (const std::exception& error) {
      fmt::print(stderr, "a rank failed: {}\n", error.what());
      std::fflush(stderr);
      ::_exit(1);
    }
    ::_exit(0);
  }

  void strike_rank(RemoteRank& rank) override {
    ::kill(static_cast<RankProcess&>(rank).pid, SIGKILL);
  }

  std::uint64_t configurations_ = 0;
  TrainingSetup setup_;
  std::function<std::unique_ptr<Compute>()> compute_;
  std::vector<std::unique_ptr<RankProcess>> processes_;  // those that run
};

}  // namespace

std::unique_ptr<Crew> make_process_crew(const TrainingSetup& setup,
                                        std::function<std::unique_ptr<Compute>()> compute) {
  return std::make_unique<ProcessCrew>(setup, std::move(compute));
}

}  // namespace bethany
