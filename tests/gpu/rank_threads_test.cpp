#include "gpu/rank_threads.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

#include "tests/support/catch.h"

namespace bethany {
namespace {

TEST_CASE("rank threads: every rank has its own, the same in every order") {
  for (const auto waiting : {Waiting::asleep, Waiting::awake}) {
    RankThreads threads(waiting);
    std::vector<std::thread::id> first(4);
    threads.run(4, [&](std::size_t rank) { first[rank] = std::this_thread::get_id(); }, [] {});
    const std::set<std::thread::id> different(first.begin(), first.end());
    CHECK(different.size() == 4);
    CHECK(different.count(std::this_thread::get_id()) == 0);
    // Fewer, then more, then many orders.
    for (const std::size_t ranks : {std::size_t{2}, std::size_t{6}, std::size_t{4}}) {
      std::vector<int> runs(6);
      for (int order = 0; order < 200; ++order) {
        threads.run(
            ranks,
            [&](std::size_t rank) {
              ++runs[rank];
              if (rank < 4 && std::this_thread::get_id() != first[rank]) runs[rank] += 1000;
            },
            [] {});
      }
      for (std::size_t rank = 0; rank < 6; ++rank) CHECK(runs[rank] == (rank < ranks ? 200 : 0));
    }
  }
}

TEST_CASE("rank threads: a failure is told at once and thrown on when all have ended") {
  RankThreads threads(Waiting::asleep);
  std::atomic<int> called_off{0};
  std::atomic<int> ended{0};
  const auto work = [&](std::size_t rank) {
    if (rank == 2) throw std::runtime_error("no memory");
    wait_for_change(called_off, 0, Waiting::asleep);  // for ever, if nobody tells
    ++ended;
  };
  const auto tell = [&] {
    called_off = 1;
    called_off.notify_all();
  };
  CHECK_THROWS_WITH(threads.run(3, work, tell), "no memory");
  CHECK(ended == 2);
  // They go on.
  int runs = 0;
  threads.run(1, [&](std::size_t) { ++runs; }, tell);
  CHECK(runs == 1);
}

TEST_CASE("a turn is one thread's at a time, however the others wait") {
  for (const auto waiting : {Waiting::asleep, Waiting::awake}) {
    Turn turn(waiting);
    RankThreads threads(waiting);
    int inside = 0;
    int most = 0;
    int taken = 0;
    threads.run(
        3,
        [&](std::size_t) {
          for (int i = 0; i < 100; ++i) {
            const std::unique_lock guard(turn);
            most = std::max(most, ++inside);
            if (i == 50) std::this_thread::sleep_for(std::chrono::milliseconds(8));  // fall asleep
            ++taken;
            --inside;
          }
        },
        [] {});
    CHECK(most == 1);
    CHECK(taken == 300);
  }
}

TEST_CASE("ranks beside a device wait awake where each has a core and one is left") {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  REQUIRE(cores > 0);
  CHECK(waiting_beside_device(cores) == Waiting::asleep);
  if (cores > 1) CHECK(waiting_beside_device(cores - 1) == Waiting::awake);
}

}  // namespace
}  // namespace bethany
