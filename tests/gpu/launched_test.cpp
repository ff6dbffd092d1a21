// Processes that a launcher would start, with its environment, train through deaths.
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "gpu/elastic/launched_check.h"
#include "gpu/fabric/rendezvous.h"
#include "sim/base/error.h"
#include "tests/gpu/elastic_support.h"
#include "tests/gpu/launcher.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

/// Sockets that know of which configuration they are, as a fabric that is made out of the last one
/// would have to.
class KnowingFabric final : public Fabric {
 public:
  KnowingFabric(std::unique_ptr<Fabric> sockets, std::uint64_t epoch, std::string_view origin)
      : sockets_(std::move(sockets)), epoch_(epoch), origin_(origin) {}
  int rank() const override { return sockets_->rank(); }
  int ranks() const override { return sockets_->ranks(); }
  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    return sockets_->exchange(sends, receives);
  }
  void barrier() override { sockets_->barrier(); }
  std::string_view origin() const override { return origin_; }
  std::uint64_t epoch() const { return epoch_; }

 private:
  std::unique_ptr<Fabric> sockets_;
  std::uint64_t epoch_;
  std::string_view origin_;
};

/// Sockets that spoil a bit of every large message, such as the state of an expert.
class SpoilingFabric final : public Fabric {
 public:
  explicit SpoilingFabric(std::unique_ptr<Fabric> sockets) : sockets_(std::move(sockets)) {}
  int rank() const override { return sockets_->rank(); }
  int ranks() const override { return sockets_->ranks(); }
  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    const double seconds = sockets_->exchange(sends, receives);
    for (const auto& receive : receives) {
      if (receive.bytes > 10000) static_cast<std::uint8_t*>(receive.data)[receive.bytes / 2] ^= 1;
    }
    return seconds;
  }
  void barrier() override { sockets_->barrier(); }

 private:
  std::unique_ptr<Fabric> sockets_;
};

/// What a rank was told when it connected, a line of the file: "sound" when it agrees with what the
/// rank has and with what all others were told, else "unsound"; then the ranks before, in order.
std::unique_ptr<Fabric> connect_and_tell(const std::string& path, const Connection& connection,
                                         OwnEnd end) {
  const auto ranks = static_cast<int>(connection.addresses.size());
  const int before = connection.before[static_cast<std::size_t>(connection.rank)];
  const auto* const previous = dynamic_cast<KnowingFabric*>(end.previous.get());
  bool sound = (before >= 0) == (end.previous != nullptr);
  if (previous != nullptr) {
    sound = sound && previous->rank() == before && previous->epoch() == connection.epoch - 1;
  }
  std::string told;
  for (const int rank : connection.before) told += fmt::format(" {}", rank);
  Store store({"127.0.0.1", connection.store_port});
  for (const auto& other :
       gather(store, fmt::format("{}/told", connection.epoch), connection.rank, ranks, told, 30)) {
    sound = sound && other == told;
  }
  {
    std::ofstream file(path, std::ios::app);
    file << (sound ? "sound" : "unsound") + told + "\n";
  }
  const bool all = std::count(connection.before.begin(), connection.before.end(), -1) == 0;
  const auto* const origin = !all || previous == nullptr ? "new"
                             : previous->ranks() > ranks ? "shrunk"
                                                         : "renumbered";
  return std::make_unique<KnowingFabric>(connect_by_sockets(connection, std::move(end)),
                                         connection.epoch, origin);
}

/// An address of this machine that others could use; empty where there is only the loopback.
std::string address_for_others() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return "";
  std::string found;
  for (const auto* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0) continue;
    char host[NI_MAXHOST] = {};
    ::getnameinfo(one->ifa_addr, sizeof(sockaddr_in), host, sizeof host, nullptr, 0,
                  NI_NUMERICHOST);
    if (!loopback(host)) found = host;
  }
  ::freeifaddrs(all);
  return found;
}

int failures(LaunchedProcesses& processes) {
  int failed = 0;
  for (const auto& result : check_launched(processes, 5)) failed += result.passed() ? 0 : 1;
  return failed;
}

/// Four nodes of which the second dies early; it comes back if `joins`.
Trace one_death(bool joins) {
  TraceBuilder builder("one death");
  builder.header().name = "one death";
  std::vector<NodeId> all;
  for (int i = 0; i < 4; ++i) all.push_back(builder.node(fmt::format("n{}", i)));
  const auto when = [](double seconds) { return at(round_to_duration(seconds)); };
  builder.add(SimTime(), TraceEventKind::join, all, 0);
  builder.add(when(0.005), TraceEventKind::lost, std::vector<NodeId>{all[1]}, 0);
  if (joins) builder.add(when(0.006), TraceEventKind::join, std::vector<NodeId>{all[1]}, 0);
  return builder.finish(SimTime(), at(kLongest / 2));
}

}  // namespace

TEST_CASE("launched: processes that die softly leave no trace in weights and outputs") {
  const auto reference = train(elastic_input("lazarus", 4, "drifting"));
  Launcher launcher(4, Kill::soft);
  Trained all;
  {
    LaunchedProcesses processes(options_of(Kill::soft));
    CHECK(processes.free() == 4);
    for (std::uint64_t number = 0; number < 3; ++number) {
      for (const auto& policy : {"lazarus", "lazarus:placement=spread", "ds", "ds-ft"}) {
        INFO(policy << ", trace " << number);
        auto input = elastic_input(policy, 4, "drifting");
        input.trace = random_trace(4, 2, 25, RngStreams(number, 0).stream("launched"), kRealScale);
        {
          const auto crew = make_launched_crew(processes, elastic_setup(input), policy);
          const auto trained = train(input, *crew, false);
          check_same(trained, reference);
          for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
        }
        CHECK(processes.free() == 4);
      }
    }
  }
  CHECK(all.stages[Stage::detection] >= 12);
  CHECK(all.stages[Stage::transfer] > 5);
  CHECK(launcher.ends() == "0 0 0 ");
}

TEST_CASE("launched: a process that dies for good is replaced by a spare one") {
  const auto reference = train(elastic_input("lazarus", 4, "drifting"));
  Launcher launcher(5, Kill::hard);
  {
    LaunchedProcesses processes(options_of(Kill::hard));
    for (const bool joins : {true, false}) {
      auto input = elastic_input("lazarus", 4, "drifting");
      input.trace = one_death(joins);
      {
        const auto crew = make_launched_crew(processes, elastic_setup(input), "lazarus");
        const auto trained = train(input, *crew, false);
        check_same(trained, reference);
      }
      CHECK(processes.free() == (joins ? 4 : 3));
    }
  }
  const auto ends = launcher.ends();
  CHECK(std::count(ends.begin(), ends.end(), '9') == 2);
}

TEST_CASE("launched: who connects is told who was connected before") {
  const auto path = fmt::format("{}/bethany-told-{}",
                                std::filesystem::temp_directory_path().string(), ::getpid());
  const auto maker = [path](const Connection& connection, OwnEnd end) {
    return connect_and_tell(path, connection, std::move(end));
  };
  const auto reference = train(elastic_input("lazarus", 4, "drifting"));
  Launcher launcher(4, Kill::soft, maker);
  std::map<std::string, std::size_t> after;  // connections of each kind, death only
  {
    LaunchedProcesses processes(options_of(Kill::soft, maker));
    for (const bool joins : {false, true}) {
      auto input = elastic_input("lazarus", 4, "drifting");
      input.trace = one_death(joins);
      const auto crew = make_launched_crew(processes, elastic_setup(input), "lazarus");
      check_same(train(input, *crew, false), reference);
      if (joins) continue;
      for (const auto& [origin, seconds] : processes.connections()) after[origin] = seconds.size();
    }
    CHECK(processes.connections().at("new").size() > after.at("new") + 1);
  }
  CHECK(after["new"] == 1);
  CHECK(after["shrunk"] == 1);
  CHECK(launcher.ends() == "0 0 0 ");
  std::ifstream file(path);
  int begun = 0;
  int shrunk = 0;
  int mixed = 0;
  for (std::string line; std::getline(file, line);) {
    INFO(line);
    CHECK(line.rfind("sound", 0) == 0);
    std::multiset<int> before;
    std::istringstream numbers(line.substr(line.find(' ')));
    for (int number = 0; numbers >> number;) before.insert(number);
    const auto newcomers = before.count(-1);
    begun += newcomers == before.size() ? 1 : 0;
    shrunk += before == std::multiset<int>{0, 2, 3} ? 1 : 0;
    mixed += newcomers > 0 && newcomers < before.size() ? 1 : 0;
  }
  std::filesystem::remove(path);
  CHECK(begun == 8);   // both trainings, 4 ranks each
  CHECK(shrunk >= 3);  // without the second
  CHECK(mixed >= 4);   // and with it again
}

TEST_CASE("launched: the check of launched ranks passes, and sees a bit that is wrong") {
  const auto spoiling = [](const Connection& connection, OwnEnd end) -> std::unique_ptr<Fabric> {
    return std::make_unique<SpoilingFabric>(connect_by_sockets(connection, std::move(end)));
  };
  for (const bool spoilt : {false, true}) {
    const FabricMaker maker = spoilt ? FabricMaker(spoiling) : connect_by_sockets;
    Launcher launcher(4, Kill::soft, maker);
    LaunchedProcesses processes(options_of(Kill::soft, maker));
    CHECK((failures(processes) > 0) == spoilt);
  }
  Launcher launcher(2, Kill::soft);
  LaunchedProcesses processes(options_of(Kill::soft));
  CHECK_THROWS_WITH(check_launched(processes, 5),
                    "2 processes were launched; three or more are needed");
}

TEST_CASE("launched: the check with a process that is killed needs one more") {
  Launcher launcher(4, Kill::hard);
  {
    LaunchedProcesses processes(options_of(Kill::hard));
    CHECK(failures(processes) == 0);
    CHECK_THROWS_WITH(check_launched(processes, 5),
                      "3 processes were launched; four or more are needed");
  }
  CHECK(launcher.ends() == "-9 0 0 ");
}

TEST_CASE("launched: who interrupts a job signals all processes, and rank 0 goes on with them") {
  Launcher launcher(3, Kill::soft);
  {
    LaunchedProcesses processes(options_of(Kill::soft));
    launcher.signal(SIGINT);
    launcher.signal(SIGTERM);
    CHECK(failures(processes) == 0);
  }
  CHECK(launcher.ends() == "0 0 ");
}

TEST_CASE("launched: ranks elsewhere get no loopback address of rank 0's machine") {
  const auto elsewhere = address_for_others();
  if (elsewhere.empty()) {
    WARN("skipped: this machine has only its loopback");
    return;
  }
  // As with Debian's 127.0.1.1: rank 0 takes MASTER_ADDR for its loopback, the others do not.
  const auto maker = [](const Connection& connection, OwnEnd end) {
    for (const auto& address : connection.addresses) {
      if (loopback(address.host)) throw PeerLost("nobody is at " + address.host);
    }
    return connect_by_sockets(connection, std::move(end));
  };
  Launcher launcher(3, Kill::soft, maker, {.master = elsewhere});
  LaunchedProcesses processes(options_of(Kill::soft, maker));
  CHECK(failures(processes) == 0);
}

TEST_CASE("launched: a stranger who says nothing does not keep processes from meeting") {
  Launcher launcher(3, Kill::soft, connect_by_sockets, {.stranger = true});
  LaunchedProcesses processes(options_of(Kill::soft));
  CHECK(processes.free() == 3);
}

TEST_CASE("launched: a port that is taken is named, and the way out") {
  Launcher launcher(2, Kill::soft);
  const auto options = options_of(Kill::soft);
  const Listener taken(options.launch.master->port);
  CHECK_THROWS_WITH(LaunchedProcesses(options),
                    Catch::Contains("in use") && Catch::Contains("BETHANY_PORT"));
}

TEST_CASE("launched: who has no launcher, or no process left, is told") {
  CHECK_THROWS_WITH(launch_of_this_process(), Catch::Contains("mpirun, srun or torchrun"));
  Launcher launcher(2, Kill::soft);
  LaunchedProcesses processes(options_of(Kill::soft));
  const auto input = elastic_input("lazarus", 4, "drifting");
  const auto crew = make_launched_crew(processes, elastic_setup(input), "lazarus");
  const std::vector<NodeId> nodes{NodeId(0), NodeId(1), NodeId(2)};
  CHECK_THROWS_AS(crew->start(nodes), MachineError);
}

}  // namespace bethany::test
