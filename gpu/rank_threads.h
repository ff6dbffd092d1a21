#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "gpu/turn.h"

namespace bethany {

/// Threads of ranks of this process, one a rank, that live as long as this does: the first call to
/// a device from a new thread is slow, and ranks do not begin anew with every order.
class RankThreads {
 public:
  explicit RankThreads(Waiting waiting);
  RankThreads(const RankThreads&) = delete;
  RankThreads& operator=(const RankThreads&) = delete;
  ~RankThreads();

  /// Lets the thread of every rank below `ranks` do its work, and returns when all have. Where one
  /// throws, its thread calls `failed`, so that others need not wait for it, and one such
  /// failure is thrown on when all have ended.
  void run(std::size_t ranks, const std::function<void(std::size_t rank)>& work,
           const std::function<void()>& failed);

 private:
  struct Rank;
  void serve(Rank& rank);

  Waiting waiting_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  const std::function<void(std::size_t)>* work_ = nullptr;  // null: they end
  std::atomic<int> working_{0};
};

}  // namespace bethany
