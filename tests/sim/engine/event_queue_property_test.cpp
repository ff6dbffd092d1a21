// The queue beside a std::set of keys: whatever is pushed, popped and cancelled, both agree.

#include <rapidcheck.h>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/engine/event_queue.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Both queues, always asked for the same. The payload of an event is its sequence number.
class Twins {
 public:
  void push(std::int64_t time_ns, int phase) {
    const EventKey key{at(Duration(time_ns)), static_cast<std::uint8_t>(phase), handles_.size()};
    handles_.push_back(queue_.push(key.time, phase, key.sequence));
    keys_.push_back(key);
    reference_.insert(key);
  }

  /// Pops from both; false when they differ.
  bool pop() {
    if (queue_.peek() != *reference_.begin()) return false;
    const auto event = queue_.pop();
    const bool agree = event.key == *reference_.begin() && event.payload == event.key.sequence;
    reference_.erase(reference_.begin());
    now_ = event.key.time.time_since_epoch().count();
    return agree && queue_.size() == reference_.size();
  }

  /// Cancels the event pushed as number `sequence`, which may be gone; false when they differ.
  bool cancel(std::size_t sequence) {
    const bool was_pending = reference_.erase(keys_[sequence]) == 1;
    if (queue_.contains(handles_[sequence]) != was_pending) return false;
    if (queue_.cancel(handles_[sequence]) != was_pending) return false;
    return queue_.size() == reference_.size() && queue_.empty() == reference_.empty() &&
           (reference_.empty() || queue_.peek() == *reference_.begin());
  }

  std::size_t size() const { return reference_.size(); }
  std::size_t pushed() const { return handles_.size(); }
  std::int64_t now() const { return now_; }

 private:
  EventQueue<std::uint64_t> queue_;
  std::set<EventKey> reference_;
  std::vector<EventHandle> handles_;
  std::vector<EventKey> keys_;
  std::int64_t now_ = 0;
};

struct Distribution {
  std::string name;
  std::function<std::int64_t(Rng&)> increment;
};

std::vector<Distribution> distributions() {
  const auto whole = [](double value) { return static_cast<std::int64_t>(value); };
  return {
      {"exponential", [=](Rng& rng) { return whole(rng.exponential(1e9)); }},
      {"uniform", [](Rng& rng) { return static_cast<std::int64_t>(rng.below(2'000'000'000)); }},
      {"a few nanoseconds", [](Rng& rng) { return static_cast<std::int64_t>(rng.below(5)); }},
      {"bimodal, far future",
       [](Rng& rng) {
         const auto near = static_cast<std::int64_t>(rng.below(1000));
         return rng.below(10) == 0 ? 1'000'000'000'000 + near : near;
       }},
      {"triangular", [=](Rng& rng) { return whole(1.5e9 * std::sqrt(rng.unit())); }},
      {"all equal", [](Rng&) { return std::int64_t{1'000'000'000}; }},
      {"none", [](Rng&) { return std::int64_t{0}; }},
      {"bursts on a grid",
       [](Rng& rng) { return 60'000'000'000 * static_cast<std::int64_t>(rng.below(4)); }},
      {"each scale alike", [](Rng& rng) { return std::int64_t{1} << rng.below(45); }},
      {"into the past", [](Rng& rng) { return static_cast<std::int64_t>(rng.below(1000)) - 700; }},
  };
}

/// Fills to `size`, then holds with cancels, grows and shrinks in turns, and drains.
bool agree(const Distribution& distribution, std::size_t size, std::uint64_t operations) {
  Rng rng = RngStreams(1, 0).stream("event queue/" + distribution.name, size);
  Twins twins;
  const auto push = [&] {
    twins.push(twins.now() + distribution.increment(rng), static_cast<int>(rng.below(kPhases)));
  };
  while (twins.size() < size) push();
  for (std::uint64_t i = 0; i < operations; ++i) {
    const bool growing = i / (size / 2 + 1) % 2 == 0;
    const std::uint64_t choice = rng.below(20);
    if (choice < (growing ? 11 : 9)) {
      push();
    } else if (choice < 18) {
      if (twins.size() > 0 && !twins.pop()) return false;
    } else if (twins.pushed() > 0 && !twins.cancel(rng.below(twins.pushed()))) {
      return false;
    }
  }
  while (twins.size() > 0) {
    if (!twins.pop()) return false;
  }
  return true;
}

TEST_CASE("the queue agrees with a sorted set, for every distribution and size") {
  for (const Distribution& distribution : distributions()) {
    for (const std::size_t size : {0U, 3U, 10U, 30U, 100U, 1000U, 20'000U}) {
      INFO(distribution.name << ", " << size << " pending");
      CHECK(agree(distribution, size, 2000 + 2 * size));
    }
  }
}

TEST_CASE("the queue agrees with a sorted set at 100,000 pending") {
  for (const Distribution& distribution : distributions()) {
    INFO(distribution.name);
    CHECK(agree(distribution, 100'000, 60'000));
  }
}

TEST_CASE("cancelling nearly everything, again and again, keeps the order") {
  for (const Distribution& distribution : distributions()) {
    INFO(distribution.name);
    Rng rng = RngStreams(2, 0).stream("event queue/" + distribution.name);
    Twins twins;
    bool same = true;
    for (int round = 0; round < 20; ++round) {
      const std::size_t first = twins.pushed();
      for (int i = 0; i < 1000; ++i) {
        twins.push(twins.now() + distribution.increment(rng), static_cast<int>(rng.below(kPhases)));
      }
      for (int i = 0; i < 50; ++i) same = same && twins.pop();
      for (int i = 0; i < 1400; ++i) {
        same = same && twins.cancel(first + static_cast<std::size_t>(rng.below(1000)));
      }
    }
    while (same && twins.size() > 0) same = twins.pop();
    CHECK(same);
  }
}

TEST_CASE("any short history of pushes, pops and cancels agrees with a sorted set") {
  // Times near each other and 16 operations a unit of size: many ties, and shrinks to the essence.
  const bool holds = rc::check("short histories", [] {
    const auto codes =
        *rc::gen::scale(4.0, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4000)));
    Twins twins;
    for (const int code : codes) {
      if (code < 2400) {
        twins.push(code % 60 < 50 ? code % 60 : std::int64_t{code} * code * code, code / 60 % 4);
      } else if (code < 3400) {
        if (twins.size() > 0) RC_ASSERT(twins.pop());
      } else if (twins.pushed() > 0) {
        RC_ASSERT(twins.cancel(static_cast<std::size_t>(code) % twins.pushed()));
      }
    }
    while (twins.size() > 0) RC_ASSERT(twins.pop());
  });
  CHECK(holds);
}

}  // namespace
}  // namespace bethany
