#include "sim/study/sweep/ordered.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace bethany {
namespace {

/// How far threads may run ahead: long runs among short ones do not stop the others.
constexpr std::int64_t kAhead = 256;

class Line {
 public:
  explicit Line(const OrderedWork& work)
      : work_(work), window_(kAhead * std::max(1, work.threads)) {
    slots_.resize(static_cast<std::size_t>(window_));
  }

  void run() {
    const auto helpers = std::min<std::int64_t>(work_.count, std::max(1, work_.threads));
    std::vector<std::thread> pool;
    for (std::int64_t i = 1; i < helpers; ++i) pool.emplace_back([this] { serve(); });
    serve();
    for (auto& thread : pool) thread.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void serve() {
    while (const auto index = claim()) {
      try {
        put(*index, work_.make(*index));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        fail();
      }
    }
  }

  /// The next index, or nothing when there is none, or no more are wanted.
  std::optional<std::int64_t> claim() {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return failure_ || next_ < taken_ + window_; });
    if (failure_ || next_ == work_.count || (work_.stop && work_.stop())) return {};
    return next_++;
  }

  void put(std::int64_t index, std::string text) {
    std::unique_lock lock(mutex_);
    slot(index) = std::move(text);
    if (taking_) return;  // who takes now will see it
    taking_ = true;
    while (taken_ < next_ && slot(taken_) && !broken_) take(lock);
    taking_ = false;
  }

  /// Takes what is ready, the lock not held meanwhile.
  void take(std::unique_lock<std::mutex>& lock) {
    std::string ready;
    std::int64_t end = taken_;
    for (; end < next_ && end < taken_ + window_ && slot(end); ++end) {
      ready += *slot(end);
      slot(end).reset();
    }
    lock.unlock();
    try {
      work_.take(ready, end - taken_);
    } catch (...) {
      lock.lock();
      broken_ = true;
      fail();
      return;
    }
    lock.lock();
    taken_ = end;
    room_.notify_all();
  }

  void fail() {
    if (!failure_) failure_ = std::current_exception();
    room_.notify_all();
  }

  std::optional<std::string>& slot(std::int64_t index) {
    return slots_[static_cast<std::size_t>(index % window_)];
  }

  const OrderedWork& work_;
  const std::int64_t window_;
  std::vector<std::optional<std::string>> slots_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::int64_t next_ = 0;
  std::int64_t taken_ = 0;
  bool taking_ = false;
  bool broken_ = false;  // taking failed: nothing more is taken
  std::exception_ptr failure_;
};

}  // namespace

void in_order(const OrderedWork& work) { Line(work).run(); }

}  // namespace bethany
