#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "gpu/fabric/fabric.h"
#include "sim/base/check.h"

namespace bethany {

/// Letters between the threads of a test.
class LetterBox {
 public:
  using Letter = std::vector<std::byte>;

  void put(int from, int to, Letter letter) {
    const std::lock_guard guard(lock_);
    letters_[{from, to}].push_back(std::move(letter));
    arrived_.notify_all();
  }
  Letter take(int from, int to) {
    std::unique_lock guard(lock_);
    auto& queue = letters_[{from, to}];
    arrived_.wait(guard, [&] { return !queue.empty(); });
    Letter letter = std::move(queue.front());
    queue.pop_front();
    return letter;
  }

 private:
  std::mutex lock_;
  std::condition_variable arrived_;
  std::map<std::pair<int, int>, std::deque<Letter>> letters_;
};

/// The smallest fabric of ranks that are threads: every message is a copied letter.
class ThreadFabric : public Fabric {
 public:
  ThreadFabric(LetterBox& box, int rank, int ranks) : box_(box), rank_(rank), ranks_(ranks) {}

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    for (const auto& send : sends) {
      BETHANY_CHECK(send.bytes > 0 && send.to != rank_, "{} bytes to {}", send.bytes, send.to);
      const auto* data = static_cast<const std::byte*>(send.data);
      box_.put(rank_, send.to, LetterBox::Letter(data, data + send.bytes));
    }
    for (const auto& receive : receives) {
      const auto letter = box_.take(receive.from, rank_);
      BETHANY_CHECK(letter.size() == receive.bytes, "{} bytes for {}", letter.size(),
                    receive.bytes);
      std::memcpy(receive.data, letter.data(), receive.bytes);
    }
    return 0;
  }
  void barrier() override {}

 private:
  LetterBox& box_;
  int rank_;
  int ranks_;
};

}  // namespace bethany
