#include "gpu/elastic/launched_crew.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <limits>

#include "gpu/elastic/codec.h"
#include "gpu/fabric/store_frames.h"
#include "gpu/protocol.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// The connections of a process with its coordinator. Each begins with its kind and the rank.
enum class Line : std::int32_t { control, call_off, kill };
constexpr int kLines = 3;
constexpr double kForEver = std::numeric_limits<double>::infinity();
constexpr double kHeadSeconds = 5;  // until who connects has said what it is
constexpr double kEndSeconds = 30;  // until a rank whose crew goes has ended its life

struct LineHead {
  Line line = Line::control;
  std::int32_t rank = 0;
};

Descriptor connect_line(const Address& coordinator, const LineHead& head, double deadline) {
  auto line = connect_to(coordinator, {.deadline = deadline});
  if (!line.open() || !send_all(line.get(), &head, sizeof head, {.deadline = deadline})) {
    throw MachineError(
        fmt::format("rank 0 does not come: nobody listens at {}", text_of(coordinator)));
  }
  return line;
}

Listener listener_of(const Launch& launch) {
  try {
    return Listener(launch.master->port);
  } catch (const MachineError& error) {
    throw MachineError(fmt::format(
        "rank 0: {}; BETHANY_PORT names another port (torchrun itself listens on MASTER_PORT)",
        error.what()));
  }
}

bool hard(const LaunchedOptions& options) {
  return options.kill == Kill::hard && options.launch.rank != 0;
}

}  // namespace

Launch launch_of_this_process() {
  auto launch = launch_from(environment_variable);
  if (!launch) {
    throw InputError("mode 'cluster' is for processes of a launcher: mpirun, srun or torchrun");
  }
  if (!launch->master) {
    throw InputError(
        "MASTER_ADDR and MASTER_PORT: not set; they say where rank 0 listens (mpirun hands on what "
        "-x names, srun what is exported)");
  }
  if (const auto port = environment_variable("BETHANY_PORT")) {
    const auto number = whole_number(*port);
    if (!number || *number < 1 || *number > 65535) {
      throw InputError(fmt::format("BETHANY_PORT: '{}' is no port", *port));
    }
    launch->master->port = static_cast<int>(*number);
  }
  return *launch;
}

void serve_launched_rank(const LaunchedOptions& options) {
  const int rank = options.launch.rank;
  const double deadline = wall_seconds() + options.timeout_seconds;
  const Address& coordinator = *options.launch.master;
  const auto control = connect_line(coordinator, {Line::control, rank}, deadline);
  const auto called_off = connect_line(coordinator, {Line::call_off, rank}, deadline);
  const auto kill = connect_line(coordinator, {Line::kill, rank}, deadline);
  std::jthread killer;
  if (hard(options)) {
    killer = std::jthread([descriptor = kill.get()] {
      char byte = 0;
      if (receive_all(descriptor, &byte, 1, {.deadline = kForEver})) std::raise(SIGKILL);
    });
  }
  if (rank != 0) {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_IGN);
  }
  const RankLink link{.control = control.get(),
                      .called_off = called_off.get(),
                      .host = own_host(control.get()),
                      .listens = "",
                      .compute = options.compute,
                      .fabric = options.fabric};
  const auto end = [&] { ::shutdown(kill.get(), SHUT_RDWR); };  // lets the killer end
  try {
    serve_rank(link, nullptr);
  } catch (...) {
    end();
    throw;
  }
  end();
}

struct LaunchedProcesses::Process : RemoteRank {
  int rank = 0;
  Descriptor kill;
  bool dead = false;
};

LaunchedProcesses::LaunchedProcesses(const LaunchedOptions& options) : options_(options) {
  BETHANY_CHECK(options.launch.rank == 0, "rank {} coordinates", options.launch.rank);
  meet();
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    await_hello(**process);
    idle_.push_back(process->get());
  }
  name_for_others();
}

LaunchedProcesses::~LaunchedProcesses() = default;

/// Has all lines of all processes.
void LaunchedProcesses::meet() {
  const auto& options = options_;
  const auto listener = listener_of(options.launch);
  own_ = std::jthread([options] {
    try {
      serve_launched_rank(options);
    } catch (const std::exception& error) {
      // The coordinator sees that its connection ends.
      fmt::print(stderr, "rank 0 failed: {}\n", error.what());
    }
  });
  for (int rank = 0; rank < options.launch.ranks; ++rank) {
    processes_.push_back(std::make_unique<Process>());
    processes_.back()->rank = rank;
  }
  const double deadline = wall_seconds() + options.timeout_seconds;
  for (int met = 0; met < kLines * options.launch.ranks;) {
    if (!wait_for(listener.descriptor(), POLLIN, {.deadline = deadline})) {
      throw MachineError(fmt::format("{} of {} processes came within {} s", met / kLines,
                                     options.launch.ranks, options.timeout_seconds));
    }
    auto line = listener.accept();
    LineHead head;
    const double soon = std::min(deadline, wall_seconds() + kHeadSeconds);
    if (!line.open() || !receive_all(line.get(), &head, sizeof head, {.deadline = soon})) {
      continue;  // somebody else
    }
    if (head.rank < 0 || head.rank >= options.launch.ranks) continue;
    auto& process = *processes_[static_cast<std::size_t>(head.rank)];
    auto& place = head.line == Line::control    ? process.control
                  : head.line == Line::call_off ? process.call_off
                                                : process.kill;
    if (place.open()) throw MachineError(fmt::format("two processes have rank {}", head.rank));
    place = std::move(line);
    ++met;
  }
}

/// The machine of rank 0 may take MASTER_ADDR for its loopback (Debian: 127.0.1.1 is its name).
/// Ranks elsewhere reach its ranks where they reach rank 0.
void LaunchedProcesses::name_for_others() {
  const auto elsewhere =
      std::find_if(processes_.begin(), processes_.end(),
                   [](const auto& process) { return !loopback(process->address.host); });
  if (elsewhere == processes_.end()) return;
  const auto host = own_host((*elsewhere)->control.get());
  for (auto& process : processes_) {
    if (loopback(process->address.host)) process->address.host = host;
  }
}

RemoteRank* LaunchedProcesses::take() {
  if (idle_.empty()) {
    throw MachineError(
        fmt::format("all {} processes are machines already: launch more", processes_.size()));
  }
  auto* const process = idle_.back();
  idle_.pop_back();
  process->answers = true;
  process->struck = false;
  return process;
}

void LaunchedProcesses::give_back(RemoteRank* process) {
  idle_.push_back(static_cast<Process*>(process));
  std::sort(idle_.begin(), idle_.end(), [](auto* a, auto* b) { return a->rank > b->rank; });
}

bool LaunchedProcesses::dead(const RemoteRank& process) const {
  return static_cast<const Process&>(process).dead;
}

void LaunchedProcesses::strike(RemoteRank& process) {
  auto& struck = static_cast<Process&>(process);
  if (options_.kill == Kill::soft || struck.rank == 0) {
    call_off(struck);
  } else if (!struck.dead) {
    struck.dead = true;
    (void)::send(struck.kill.get(), "K", 1, MSG_NOSIGNAL);
  }
}

namespace {

class LaunchedCrew final : public RemoteCrew {
 public:
  LaunchedCrew(LaunchedProcesses& processes, const TrainingSetup& setup, const std::string& policy)
      : RemoteCrew(processes.epoch(), processes.store_port()),
        processes_(processes),
        gpus_(setup.placement.gpus_per_node),
        begin_(encode(RankSetup{setup, policy})) {}

  ~LaunchedCrew() override {
    std::vector<NodeId> all;
    for (const auto& [node, ranks] : machines_) all.push_back(node);
    try {
      end(all, kEndSeconds);
    } catch (const MachineError&) {
      // Whoever uses the processes next finds out.
    }
  }

  void start(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      BETHANY_CHECK(!runs(node), "machine {} already runs", node.value);
      auto& ranks = machines_[node];
      for (int gpu = 0; gpu < gpus_; ++gpu) {
        ranks.push_back(processes_.take());
        send_message(ranks.back()->control.get(), RankMessage::begin, begin_);
      }
    }
    for (const auto node : nodes) {
      for (auto* const rank : machines_.at(node)) await_reply(*rank);
    }
  }

  void kill(std::span<const NodeId> nodes) override {
    for (const auto node : nodes) {
      if (runs(node)) strike({node});
    }
    end(nodes);
  }

  void end(std::span<const NodeId> nodes) override { end(nodes, kRankPatienceSeconds); }

 private:
  void end(std::span<const NodeId> nodes, double seconds) {
    for (const auto node : nodes) {
      if (!runs(node)) continue;
      const auto ranks = machines_.at(node);
      forget(node);
      for (auto* const rank : ranks) {
        if (processes_.dead(*rank)) continue;
        call_off(*rank);  // if it is busy, which only a failure can bring about
        send_message(rank->control.get(), RankMessage::end, "");
        await_reply(*rank, seconds);
        processes_.give_back(rank);
      }
    }
  }

  void strike_rank(RemoteRank& rank) override { processes_.strike(rank); }
  void note_connected(const std::string& origin, double seconds) override {
    processes_.connections()[origin].push_back(seconds);
  }

  static void await_reply(RemoteRank& rank, double seconds = kRankPatienceSeconds) {
    if (!receive_message(rank.control.get(), wall_seconds() + seconds)) {
      throw MachineError("the process of a rank failed");
    }
  }

  LaunchedProcesses& processes_;
  int gpus_;
  std::string begin_;
};

}  // namespace

std::unique_ptr<Crew> make_launched_crew(LaunchedProcesses& processes, const TrainingSetup& setup,
                                         const std::string& policy) {
  return std::make_unique<LaunchedCrew>(processes, setup, policy);
}

}  // namespace bethany
