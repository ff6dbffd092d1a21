#include "gpu/rank_threads.h"

#include <exception>
#include <thread>

namespace bethany {

struct RankThreads::Rank {
  std::size_t number = 0;
  std::atomic<int> jobs{0};  // given so far
  std::exception_ptr failure;
  const std::function<void()>* failed = nullptr;
  std::thread thread;
};

RankThreads::RankThreads(Waiting waiting) : waiting_(waiting) {}

RankThreads::~RankThreads() {
  work_ = nullptr;
  for (auto& rank : ranks_) {
    rank->jobs.fetch_add(1);
    rank->jobs.notify_all();
  }
  for (auto& rank : ranks_) rank->thread.join();
}

void RankThreads::run(std::size_t ranks, const std::function<void(std::size_t)>& work,
                      const std::function<void()>& failed) {
  while (ranks_.size() < ranks) {
    ranks_.push_back(std::make_unique<Rank>());
    ranks_.back()->number = ranks_.size() - 1;
    ranks_.back()->thread = std::thread([this, rank = ranks_.back().get()] { serve(*rank); });
  }
  work_ = &work;
  working_.store(static_cast<int>(ranks));
  for (std::size_t i = 0; i < ranks; ++i) {
    ranks_[i]->failed = &failed;
    ranks_[i]->jobs.fetch_add(1);
    ranks_[i]->jobs.notify_all();
  }
  for (int left = working_.load(); left > 0; left = working_.load()) {
    wait_for_change(working_, left, Waiting::asleep);
  }
  std::exception_ptr first;
  for (std::size_t i = 0; i < ranks; ++i) {
    if (!first) first = ranks_[i]->failure;
    ranks_[i]->failure = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

void RankThreads::serve(Rank& rank) {
  for (int done = 0;; ++done) {
    wait_for_change(rank.jobs, done, waiting_);
    if (work_ == nullptr) return;
    try {
      (*work_)(rank.number);
    } catch (...) {
      rank.failure = std::current_exception();
      (*rank.failed)();
    }
    working_.fetch_sub(1);
    working_.notify_all();
  }
}

}  // namespace bethany
