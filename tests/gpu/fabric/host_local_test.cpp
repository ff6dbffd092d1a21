#include "gpu/fabric/host_local.h"

#include <atomic>
#include <chrono>
#include <cstring>

#include "tests/gpu/fabric/crew.h"

namespace bethany {
namespace {

using test::all_to_all;
using test::run_ranks;
using namespace std::chrono_literals;

TEST_CASE("threads exchange groups of any sizes, beside each other and in turns") {
  for (const bool serial : {false, true}) {
    Turn turn;
    HostLocal group(5, serial ? &turn : nullptr);
    std::atomic<int> wrong{0};
    const auto lost = run_ranks(5, [&](int rank) {
      const auto fabric = group.fabric(rank);
      for (int round = 0; round < 200; ++round) {
        all_to_all(*fabric, round, wrong);
        if (round % 3 == 0) fabric->barrier();
      }
    });
    CHECK(wrong == 0);
    CHECK(lost == std::vector<bool>(5, false));
  }
}

TEST_CASE("messages of a pair meet in order") {
  HostLocal group(2);
  run_ranks(2, [&](int rank) {
    const auto fabric = group.fabric(rank);
    int first = rank == 0 ? 11 : 0;
    int second = rank == 0 ? 22 : 0;
    if (rank == 0) fabric->exchange(std::vector<Send>{{1, &first, 4}, {1, &second, 4}}, {});
    if (rank == 1) fabric->exchange({}, std::vector<Receive>{{0, &first, 4}, {0, &second, 4}});
    if (first != 11 || second != 22) throw std::runtime_error("out of order");
  });
}

TEST_CASE("the time is that of the rank's port: the longer of what goes in and what goes out") {
  const auto slow = [](void* to, const void* from, std::size_t bytes) {
    std::this_thread::sleep_for(10ms);
    std::memcpy(to, from, bytes);
  };
  HostLocal group(3);
  std::vector<double> seconds(3);
  run_ranks(3, [&](int rank) {
    const auto fabric = group.fabric(rank, slow);
    char data[2] = {};
    if (rank == 0) {  // two out, none in
      seconds[0] = fabric->exchange(std::vector<Send>{{1, data, 1}, {2, data + 1, 1}}, {});
    } else {  // one in, after a while that does not count for the sender
      std::this_thread::sleep_for(rank * 200ms);
      seconds[static_cast<std::size_t>(rank)] =
          fabric->exchange({}, std::vector<Receive>{{0, data, 1}});
    }
  });
  CHECK(seconds[0] == seconds[1] + seconds[2]);
  CHECK(seconds[1] >= 0.01);
  CHECK(seconds[2] >= 0.01);
}

TEST_CASE("nobody leaves a barrier before all have come") {
  HostLocal group(4);
  std::atomic<int> come{0};
  std::atomic<int> early{0};
  run_ranks(4, [&](int rank) {
    const auto fabric = group.fabric(rank);
    for (int round = 1; round <= 100; ++round) {
      ++come;
      fabric->barrier();
      if (come < 4 * round) ++early;
      fabric->barrier();
    }
  });
  CHECK(early == 0);
}

TEST_CASE("an abort wakes everyone who waits, and who calls later, with PeerLost") {
  HostLocal group(4);
  std::atomic<int> waiting{0};
  std::string why;
  const auto lost = run_ranks(4, [&](int rank) {
    const auto fabric = group.fabric(rank);
    int data = 0;
    ++waiting;
    if (rank == 0) fabric->barrier();
    if (rank == 1) fabric->exchange(std::vector<Send>{{3, &data, 4}}, {});
    if (rank == 2) fabric->exchange({}, std::vector<Receive>{{3, &data, 4}});
    while (waiting < 4) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);
    group.abort("node 7 failed");
    group.abort("told twice");
    try {
      fabric->exchange({}, {});
    } catch (const PeerLost& error) {
      why = error.what();
    }
    fabric->barrier();
  });
  CHECK(lost == std::vector<bool>(4, true));
  CHECK(why == "node 7 failed");
}

TEST_CASE("aborts at any moment leave no rank behind and touch no memory that is gone") {
  for (int round = 0; round < 60; ++round) {
    HostLocal group(4);
    std::atomic<int> wrong{0};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
      group.abort("called off");
    });
    const auto lost = run_ranks(4, [&](int rank) {
      const auto fabric = group.fabric(rank);
      for (int i = 0;; ++i) all_to_all(*fabric, i, wrong);
    });
    killer.join();
    CHECK(lost == std::vector<bool>(4, true));
    CHECK(wrong == 0);
  }
}

TEST_CASE("two sides of different size are a bug, named with both sizes") {
  const auto died = test::in_child([] {
    HostLocal group(2);
    char data[8] = {};
    std::thread sender([&] { group.fabric(0)->exchange(std::vector<Send>{{1, data, 4}}, {}); });
    group.fabric(1)->exchange({}, std::vector<Receive>{{0, data, 8}});
  });
  CHECK(died.find("rank 0 sends 4 bytes, rank 1 receives 8") != std::string::npos);
}

}  // namespace
}  // namespace bethany
