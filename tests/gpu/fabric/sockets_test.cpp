#include "gpu/fabric/sockets.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <numeric>

#include "sim/base/random.h"
#include "tests/gpu/fabric/crew.h"

namespace bethany {
namespace {

using test::all_to_all;
using test::run_ranks;
using namespace std::chrono_literals;

constexpr char kHere[] = "127.0.0.1";

/// Listeners of all ranks on this machine, and what connects a rank.
struct Meeting {
  explicit Meeting(int ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      listeners.push_back(std::make_unique<Listener>(0, kHere));
      addresses.push_back({kHere, listeners.back()->port()});
    }
  }
  int ranks() const { return static_cast<int>(addresses.size()); }
  std::unique_ptr<Fabric> join(int rank, std::uint64_t epoch = 1, int abort_descriptor = -1,
                               double timeout = 30) const {
    return connect_mesh(*listeners[static_cast<std::size_t>(rank)],
                        {.rank = rank,
                         .addresses = addresses,
                         .epoch = epoch,
                         .abort_descriptor = abort_descriptor,
                         .timeout_seconds = timeout});
  }

  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<Address> addresses;
};

/// What the PeerLost says that `work` throws.
template <class Work>
std::string loss(const Work& work) {
  try {
    work();
  } catch (const PeerLost& error) {
    return error.what();
  }
  return "no loss";
}

struct Pipe {
  Pipe() { REQUIRE(pipe(ends) == 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  void abort() const { REQUIRE(write(ends[1], "x", 1) == 1); }
  int ends[2] = {};
};

TEST_CASE("processes' sockets exchange groups of any sizes") {
  const Meeting meeting(5);
  std::atomic<int> wrong{0};
  const auto lost = run_ranks(5, [&](int rank) {
    const auto fabric = meeting.join(rank);
    if (fabric->rank() != rank || fabric->ranks() != 5) ++wrong;
    for (int round = 0; round < 100; ++round) {
      all_to_all(*fabric, round, wrong);
      if (round % 3 == 0) fabric->barrier();
    }
  });
  CHECK(wrong == 0);
  CHECK(lost == std::vector<bool>(5, false));
}

TEST_CASE("groups far larger than what a connection buffers do not block each other") {
  const Meeting meeting(3);
  std::atomic<int> wrong{0};
  const std::vector<std::size_t> sizes = {1, 9'000'001, 3, 5'000'000, 70'000};
  run_ranks(3, [&](int rank) {
    const auto fabric = meeting.join(rank);
    std::vector<std::vector<char>> in;
    std::vector<std::vector<char>> out;
    std::vector<Send> sends;
    std::vector<Receive> receives;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      for (int peer = 0; peer < 3; ++peer) {
        if (peer == rank) continue;
        out.emplace_back(sizes[i], static_cast<char>(rank * 10 + peer));
        in.emplace_back(sizes[i], '\0');
        sends.push_back({peer, out.back().data(), sizes[i]});
        receives.push_back({peer, in.back().data(), sizes[i]});
      }
    }
    fabric->exchange(sends, receives);
    for (std::size_t i = 0; i < receives.size(); ++i) {
      const auto expected = static_cast<char>(receives[i].from * 10 + rank);
      if (in[i] != std::vector<char>(in[i].size(), expected)) ++wrong;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("a late peer does not count as time to move data") {
  const Meeting meeting(2);
  double seconds = 1e9;
  run_ranks(2, [&](int rank) {
    const auto fabric = meeting.join(rank);
    char data = 0;
    if (rank == 0) seconds = fabric->exchange(std::vector<Send>{{1, &data, 1}}, {});
    if (rank == 0) return;
    std::this_thread::sleep_for(300ms);
    fabric->exchange({}, std::vector<Receive>{{0, &data, 1}});
  });
  CHECK(seconds < 0.3);
}

TEST_CASE("a rank that is done may close while others go on without it") {
  const Meeting meeting(3);
  std::atomic<int> wrong{0};
  const auto lost = run_ranks(3, [&](int rank) {
    const auto fabric = meeting.join(rank);
    fabric->barrier();
    if (rank == 0) return;
    std::this_thread::sleep_for(50ms);
    int data = rank;
    const int peer = 3 - rank;
    int heard = 0;
    fabric->exchange(std::vector<Send>{{peer, &data, 4}}, std::vector<Receive>{{peer, &heard, 4}});
    if (heard != peer) ++wrong;
  });
  CHECK(wrong == 0);
  CHECK(lost == std::vector<bool>(3, false));
}

/// Forks a process for each rank, which exchanges without end until PeerLost and then writes a byte
/// to the pipe and ends with 0.
std::vector<pid_t> endless_processes(const Meeting& meeting, const Pipe& ready) {
  std::vector<pid_t> children;
  for (int rank = 0; rank < meeting.ranks(); ++rank) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    int status = 1;
    try {
      const auto fabric = meeting.join(rank);
      std::vector<char> out(3'000'000);
      std::vector<char> in(3'000'000);
      const int to = (rank + 1) % meeting.ranks();
      const int from = (rank + meeting.ranks() - 1) % meeting.ranks();
      for (bool first = true;; first = false) {
        fabric->exchange(std::vector<Send>{{to, out.data(), out.size()}},
                         std::vector<Receive>{{from, in.data(), in.size()}});
        if (first && write(ready.ends[1], "x", 1) != 1) break;
      }
    } catch (const PeerLost&) {
      status = 0;
    }
    _exit(status);
  }
  return children;
}

TEST_CASE("a process killed in the middle of an exchange ends all others with PeerLost") {
  const Meeting meeting(4);
  const Pipe ready;
  const auto children = endless_processes(meeting, ready);
  for (int i = 0; i < 4; ++i) {
    char byte = 0;
    REQUIRE(read(ready.ends[0], &byte, 1) == 1);
  }
  REQUIRE(kill(children[2], SIGKILL) == 0);
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t rank = 0; rank < children.size(); ++rank) {
    int status = -1;
    REQUIRE(waitpid(children[rank], &status, 0) == children[rank]);
    if (rank == 2) CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    if (rank != 2) CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  INFO("all ended after " << took.count() << " s");
  CHECK(took < 10s);  // no timeout of the fabric is as short: it was the closed connection
}

TEST_CASE("a byte on the abort descriptor ends a wait for a peer that does not come") {
  const Meeting meeting(2);
  const Pipe stop;
  std::string why;
  const auto lost = run_ranks(2, [&](int rank) {
    const auto fabric = meeting.join(rank, 1, rank == 0 ? stop.ends[0] : -1);
    char data = 0;
    if (rank == 1) {
      std::this_thread::sleep_for(50ms);
      stop.abort();
      fabric->exchange(std::vector<Send>{{0, &data, 1}}, {});  // may leave before the news comes
      return fabric->barrier();
    }
    const auto exchange = [&] { fabric->exchange({}, std::vector<Receive>{{1, &data, 1}}); };
    why = loss(exchange);
    why += "; " + loss([&] { fabric->barrier(); });
    fabric->exchange({}, {});
  });
  CHECK(why == "called off; called off");
  CHECK(lost == std::vector<bool>{true, true});
}

TEST_CASE("whoever does not come in time is named; connecting can be called off") {
  const Meeting meeting(3);
  CHECK(loss([&] { meeting.join(0, 1, -1, 0.1); }) == "rank 1 did not connect in time");
  CHECK(loss([&] { meeting.join(2, 1, -1, 0.1); }) == "rank 0 did not connect in time");
  const Pipe stop;
  stop.abort();
  CHECK(loss([&] { meeting.join(0, 1, stop.ends[0]); }) == "called off");
  CHECK(loss([&] { meeting.join(2, 1, stop.ends[0]); }) == "called off");
}

TEST_CASE("a rank of an old configuration is refused, one of a later configuration comes again") {
  const Meeting meeting(2);
  std::string why;
  std::atomic<int> wrong{0};
  const auto lost = run_ranks(2, [&](int rank) {
    if (rank == 0) {  // a configuration that never comes about, then the right one
      loss([&] { meeting.join(0, 1, -1, 0.3); });
      all_to_all(*meeting.join(0, 2), 0, wrong);
      return;
    }
    std::this_thread::sleep_for(50ms);
    all_to_all(*meeting.join(1, 2), 0, wrong);
  });
  CHECK(lost == std::vector<bool>{false, false});
  CHECK(wrong == 0);
  run_ranks(2, [&](int rank) {
    if (rank == 0) loss([&] { meeting.join(0, 3, -1, 0.5); });
    if (rank == 1) why = loss([&] { meeting.join(1, 2); });
  });
  CHECK(why == "rank 0 is of epoch 3 and refuses rank 1 of epoch 2");
}

TEST_CASE("strangers that talk nonsense or nothing keep nobody waiting") {
  const Meeting meeting(2);
  const Patience patience{1e18, -1};
  const auto silent = connect_to(meeting.addresses[0], patience);
  auto gone = connect_to(meeting.addresses[0], patience);
  gone.close();
  const auto loud = connect_to(meeting.addresses[0], patience);
  const std::string nonsense(100, 'x');
  REQUIRE(send_all(loud.get(), nonsense.data(), nonsense.size(), patience));
  std::atomic<int> wrong{0};
  const auto lost = run_ranks(2, [&](int rank) { all_to_all(*meeting.join(rank), 1, wrong); });
  CHECK(lost == std::vector<bool>{false, false});
  CHECK(wrong == 0);
}

TEST_CASE("two sides of different size are a bug between processes, too") {
  const auto died = test::in_child([] {
    const Meeting meeting(2);
    run_ranks(2, [&](int rank) {
      const auto fabric = meeting.join(rank);
      char data[8] = {};
      if (rank == 0) fabric->exchange(std::vector<Send>{{1, data, 4}}, {});
      if (rank == 1) fabric->exchange({}, std::vector<Receive>{{0, data, 8}});
    });
  });
  CHECK(died.find("rank 0 sends 1 messages, 4 bytes; rank 1 receives 1 messages, 8 bytes") !=
        std::string::npos);
}

}  // namespace
}  // namespace bethany
