#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include "gpu/elastic/codec.h"
#include "gpu/elastic/crew.h"
#include "gpu/elastic/rank_process.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// Longer than anything a rank does at once; beyond it the rank hangs.
constexpr double kPatienceSeconds = 300;

std::pair<Descriptor, Descriptor> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw MachineError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// A process that is a rank.
struct RankProcess {
  pid_t pid = 0;
  Descriptor control;
  Descriptor call_off;
  int port = 0;
  bool answers = true;              // false: dead
  std::atomic<bool> struck{false};  // dead because we killed it
};

/// Strikes at an instant unless it is called back before.
class Killer {
 public:
  Killer(Duration after, std::function<void()> strike)
      : thread_([this, after, strike = std::move(strike)] {
          std::unique_lock lock(mutex_);
          if (called_back_.wait_for(lock, after, [this] { return over_; })) return;
          strike();
        }) {}
  ~Killer() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    called_back_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable called_back_;
  bool over_ = false;
  std::thread thread_;
};

class ProcessCrew final : public Crew {
 public:
  ProcessCrew(const TrainingSetup& setup, std::function<std::unique_ptr<Compute>()> compute)
      : setup_(setup), compute_(std::move(compute)) {}

  ~ProcessCrew() override {
    std::vector<NodeId> all;
    for (const auto& [node, ranks] : machines_) all.push_back(node);
    kill(all);
  }

  void start(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      BETHANY_CHECK(!runs(node), "machine {} already runs", node.value);
      auto& ranks = machines_[node];
      for (int gpu = 0; gpu < setup_.placement.gpus_per_node; ++gpu) ranks.push_back(fork_rank());
    }
    for (const auto node : nodes) {
      for (auto& rank : machines_.at(node)) {
        const auto hello = receive_message(rank->control.get(), wall_seconds() + kPatienceSeconds);
        if (!hello) throw MachineError("a rank ended before it said hello");
        rank->port = std::stoi(hello->second);
      }
    }
  }

  void kill(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      const auto found = machines_.find(node);
      if (found == machines_.end()) continue;
      strike(std::vector<NodeId>{node});
      for (auto& rank : found->second) {
        ::waitpid(rank->pid, nullptr, 0);
        std::erase(connected_, rank.get());
      }
      machines_.erase(found);
    }
  }

  bool runs(NodeId node) const override { return machines_.count(node) != 0; }

  void connect(const std::vector<RankPlace>& ranks) override {
    connected_.clear();
    Connection connection{.epoch = ++epoch_};
    for (const auto& place : ranks) {
      connected_.push_back(machines_.at(place.node)[static_cast<std::size_t>(place.gpu)].get());
      connection.addresses.push_back({"127.0.0.1", connected_.back()->port});
    }
    for (std::size_t rank = 0; rank < connected_.size(); ++rank) {
      connection.rank = static_cast<int>(rank);
      send(*connected_[rank], RankMessage::connect, encode(connection));
    }
    collect();
    killed_at_ = 0;
  }

  CrewReply obey(const Order& order, const std::optional<Attack>& attack) override {
    const double begin = wall_seconds();
    const std::string bytes = encode(order);
    std::optional<Killer> killer;
    if (attack) {
      killer.emplace(attack->after, [this, nodes = attack->nodes] { strike(nodes); });
    }
    for (auto* const rank : connected_) send(*rank, RankMessage::order, bytes);
    auto reply = collect();
    killer.reset();
    reply.seconds = wall_seconds() - begin;
    if (reply.lost) noticed_at_ = wall_seconds();
    return reply;
  }

  double wait_for_detection() override {
    // The ranks that were busy have found out for themselves; of others the control connection
    // ends.
    const double since = killed_at_;
    BETHANY_CHECK(since > 0, "nobody was killed");
    if (noticed_at_ < since) noticed_at_ = wall_seconds();
    return noticed_at_ - since;
  }
  bool dies_for_real() const override { return true; }

 private:
  std::unique_ptr<RankProcess> fork_rank() {
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
      for (auto& [node, ranks] : machines_) {
        for (auto& rank : ranks) {
          rank->control.close();
          rank->call_off.close();
        }
      }
      be_rank(control_of_rank.get(), called_off.get());
    }
    auto rank = std::make_unique<RankProcess>();
    rank->pid = pid;
    rank->control = std::move(control);
    rank->call_off = std::move(call_off);
    return rank;
  }

  [[noreturn]] void be_rank(int control, int called_off) {
    std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGABRT, SIGSEGV, SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    try {
      serve_rank(setup_, compute_(), control, called_off);
    } catch (const std::exception& error) {
      fmt::print(stderr, "a rank failed: {}\n", error.what());
      std::fflush(stderr);
      ::_exit(1);
    }
    ::_exit(0);
  }

  void strike(const std::vector<NodeId>& nodes) {
    for (const auto node : nodes) {
      const auto found = machines_.find(node);
      if (found == machines_.end()) continue;
      for (const auto& rank : found->second) {
        rank->struck = true;
        ::kill(rank->pid, SIGKILL);
      }
    }
    if (killed_at_ == 0) killed_at_ = wall_seconds();
  }

  static void send(RankProcess& rank, RankMessage kind, const std::string& content) {
    if (!rank.answers || !send_message(rank.control.get(), kind, content)) rank.answers = false;
  }

  /// One answer of every connected rank; who dies has none, and the others are told.
  CrewReply collect() {
    CrewReply reply;
    reply.ranks.resize(connected_.size());
    std::vector<std::size_t> waiting;
    const auto gone = [&](std::size_t i) {
      if (!connected_[i]->struck) throw MachineError("the process of a rank failed");
      connected_[i]->answers = false;
      reply.lost = true;
      for (auto* const rank : connected_) {
        if (rank->answers) (void)::send(rank->call_off.get(), "!", 1, MSG_NOSIGNAL);
      }
    };
    for (std::size_t i = 0; i < connected_.size(); ++i) {
      if (connected_[i]->answers) {
        waiting.push_back(i);
      } else {
        gone(i);
      }
    }
    const double deadline = wall_seconds() + kPatienceSeconds;
    while (!waiting.empty()) {
      std::vector<pollfd> descriptors;
      for (const auto i : waiting) {
        descriptors.push_back({connected_[i]->control.get(), POLLIN, 0});
      }
      if (::poll(descriptors.data(), descriptors.size(), 1000) < 0 && errno != EINTR) {
        throw MachineError(fmt::format("cannot wait for ranks: {}", std::strerror(errno)));
      }
      if (wall_seconds() > deadline) throw MachineError("a rank hangs");
      std::vector<std::size_t> still;
      for (std::size_t w = 0; w < waiting.size(); ++w) {
        const std::size_t i = waiting[w];
        if (descriptors[w].revents == 0) {
          still.push_back(i);
        } else if (auto message = receive_message(connected_[i]->control.get(), deadline)) {
          reply.ranks[i] = decode_reply(message->second);
          reply.lost = reply.lost || reply.ranks[i].lost;
        } else {
          gone(i);
        }
      }
      waiting = std::move(still);
    }
    return reply;
  }

  TrainingSetup setup_;
  std::function<std::unique_ptr<Compute>()> compute_;
  std::map<NodeId, std::vector<std::unique_ptr<RankProcess>>> machines_;
  std::vector<RankProcess*> connected_;
  std::uint64_t epoch_ = 0;
  // Written by the killer's thread, read after it has ended.
  double killed_at_ = 0;
  double noticed_at_ = 0;
};

}  // namespace

std::unique_ptr<Crew> make_process_crew(const TrainingSetup& setup,
                                        std::function<std::unique_ptr<Compute>()> compute) {
  return std::make_unique<ProcessCrew>(setup, std::move(compute));
}

}  // namespace bethany
