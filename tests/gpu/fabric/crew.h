#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gpu/fabric/fabric.h"
#include "tests/support/catch.h"

namespace bethany::test {

/// Runs `work(rank)` of every rank in a thread of its own and waits; rethrows the first exception
/// that is not a PeerLost and answers, for each rank, whether it ended with PeerLost.
inline std::vector<bool> run_ranks(int ranks, const std::function<void(int)>& work) {
  std::vector<char> lost(static_cast<std::size_t>(ranks));
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto r = static_cast<std::size_t>(rank);
      try {
        work(rank);
      } catch (const PeerLost&) {
        lost[r] = 1;
      } catch (...) {
        errors[r] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return {lost.begin(), lost.end()};
}

/// Every rank sends to every other, or nothing, and counts what it gets and is not what was sent.
void all_to_all(Fabric& fabric, int round, std::atomic<int>& wrong);

/// Runs `work`, which must abort, in a process of its own; answers what it wrote to stderr.
std::string in_child(const std::function<void()>& work);

}  // namespace bethany::test
