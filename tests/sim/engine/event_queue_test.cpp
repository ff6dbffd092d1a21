#include "sim/engine/event_queue.h"

#include <limits>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/catch.h"

namespace bethany {
namespace {

SimTime ns(std::int64_t count) { return at(Duration(count)); }

/// Pops everything; the payloads in the order they leave.
template <class Payload>
std::vector<Payload> drain(EventQueue<Payload>& queue) {
  std::vector<Payload> payloads;
  while (!queue.empty()) payloads.push_back(queue.pop().payload);
  return payloads;
}

TEST_CASE("events leave by time") {
  EventQueue<int> queue;
  queue.push(ns(30), 0, 3);
  queue.push(ns(10), 0, 1);
  queue.push(ns(20), 0, 2);
  CHECK(drain(queue) == std::vector<int>{1, 2, 3});
}

TEST_CASE("events at one instant leave by phase, then in the order they came") {
  EventQueue<int> queue;
  queue.push(ns(10), 3, 30);
  queue.push(ns(10), 1, 10);
  queue.push(ns(10), 3, 31);
  queue.push(ns(10), 0, 0);
  queue.push(ns(10), 1, 11);
  queue.push(ns(10), 2, 20);
  CHECK(drain(queue) == std::vector<int>{0, 10, 11, 20, 30, 31});
}

TEST_CASE("an earlier phase of a later instant waits for the later phase of an earlier one") {
  EventQueue<std::string> queue;
  queue.push(ns(11), 0, "second");
  queue.push(ns(10), 3, "first");
  CHECK(drain(queue) == std::vector<std::string>{"first", "second"});
}

TEST_CASE("peek names the event that pop returns, and sequence counts pushes") {
  EventQueue<int> queue;
  queue.push(ns(20), 2, 0);
  queue.push(ns(10), 1, 0);
  const EventKey first = queue.peek();
  CHECK(first == EventKey{ns(10), 1, 1});
  CHECK(queue.pop().key == first);
  CHECK(queue.pop().key == EventKey{ns(20), 2, 0});
  queue.push(ns(5), 0, 0);
  CHECK(queue.peek() == EventKey{ns(5), 0, 2});
}

TEST_CASE("a mass of equal times leaves in the order it came, phase by phase") {
  constexpr int kCount = 5000;
  EventQueue<int> queue;
  for (int i = 0; i < kCount; ++i) queue.push(ns(7), i % kPhases, i);
  for (int phase = 0; phase < kPhases; ++phase) {
    for (int i = phase; i < kCount; i += kPhases) {
      auto event = queue.pop();
      REQUIRE(event.key.phase == phase);
      REQUIRE(event.payload == i);
    }
  }
  CHECK(queue.empty());
}

TEST_CASE("events pushed at the instant that is being popped take their place in it") {
  EventQueue<int> queue;
  for (int i = 0; i < 200; ++i) queue.push(ns(7), 1, i);
  for (int i = 0; i < 100; ++i) CHECK(queue.pop().payload == i);
  queue.push(ns(7), 2, 1000);
  queue.push(ns(7), 0, -1);
  queue.push(ns(7), 1, 200);
  queue.push(ns(8), 0, 2000);
  CHECK(queue.pop().payload == -1);
  for (int i = 100; i <= 200; ++i) CHECK(queue.pop().payload == i);
  CHECK(queue.pop().payload == 1000);
  CHECK(queue.pop().payload == 2000);
}

TEST_CASE("the first and the last instant there are can be pushed") {
  EventQueue<int> queue;
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 100; ++i) {
    queue.push(ns(kLast), i % kPhases, 2);
    queue.push(ns(i), 0, 1);
    queue.push(ns(kFirst), i % kPhases, 0);
  }
  const std::vector<int> order = drain(queue);
  std::vector<int> expected(100, 0);
  expected.insert(expected.end(), 100, 1);
  expected.insert(expected.end(), 100, 2);
  CHECK(order == expected);
}

TEST_CASE("a time before what was popped may be pushed, and is first") {
  EventQueue<int> queue;
  for (int i = 0; i < 300; ++i) queue.push(ns(1000 * i), 0, i);
  for (int i = 0; i < 150; ++i) queue.pop();
  queue.push(ns(-5), 3, -5);
  queue.push(ns(149'999), 3, -1);
  CHECK(queue.pop().payload == -5);
  CHECK(queue.pop().payload == -1);
  CHECK(queue.pop().payload == 150);
}

TEST_CASE("a cancelled event never leaves") {
  EventQueue<int> queue;
  queue.push(ns(10), 0, 1);
  const EventHandle second = queue.push(ns(20), 0, 2);
  queue.push(ns(30), 0, 3);
  CHECK(queue.contains(second));
  CHECK(queue.cancel(second));
  CHECK_FALSE(queue.contains(second));
  CHECK(queue.size() == 2);
  CHECK(drain(queue) == std::vector<int>{1, 3});
}

TEST_CASE("cancelling the first event makes the next one first") {
  EventQueue<int> queue;
  const EventHandle first = queue.push(ns(10), 0, 1);
  queue.push(ns(20), 0, 2);
  CHECK(queue.cancel(first));
  CHECK(queue.peek().time == ns(20));
}

TEST_CASE("cancelling the only event leaves the queue empty and usable") {
  EventQueue<int> queue;
  CHECK(queue.cancel(queue.push(ns(10), 0, 1)));
  CHECK(queue.empty());
  queue.push(ns(5), 0, 2);
  CHECK(queue.pop().payload == 2);
}

TEST_CASE("stale handles are recognised, also when the slot is used again") {
  EventQueue<int> queue;
  CHECK_FALSE(queue.cancel(EventHandle{}));
  const EventHandle popped = queue.push(ns(10), 0, 1);
  queue.pop();
  CHECK_FALSE(queue.cancel(popped));

  const EventHandle heir = queue.push(ns(10), 0, 2);
  REQUIRE(heir.slot == popped.slot);
  CHECK_FALSE(queue.contains(popped));
  CHECK_FALSE(queue.cancel(popped));
  CHECK(queue.contains(heir));
  CHECK(queue.cancel(heir));
  CHECK_FALSE(queue.cancel(heir));
  CHECK(queue.empty());
}

TEST_CASE("a handle to a slot beyond the slab is stale") {
  EventQueue<int> queue;
  CHECK_FALSE(queue.cancel(EventHandle{1000, 0}));
}

TEST_CASE("an entry of a cancelled event does not stand for the event that has its slot next") {
  EventQueue<int> queue;
  std::vector<EventHandle> handles;
  for (int i = 0; i < 400; ++i) handles.push_back(queue.push(ns(1000 + i), 0, i));
  for (int i = 0; i < 200; ++i) CHECK(queue.cancel(handles[static_cast<std::size_t>(i)]));
  for (int i = 0; i < 200; ++i) queue.push(ns(5000 + i), 0, 1000 + i);
  for (int i = 200; i < 400; ++i) CHECK(queue.pop().payload == i);
  for (int i = 0; i < 200; ++i) CHECK(queue.pop().payload == 1000 + i);
}

TEST_CASE("payloads that can only be moved pass through") {
  EventQueue<std::unique_ptr<int>> queue;
  for (int i = 0; i < 200; ++i) queue.push(ns(1000 - i), 0, std::make_unique<int>(i));
  for (int i = 199; i >= 0; --i) CHECK(*queue.pop().payload == i);
}

TEST_CASE("a variant is made in place from one of its alternatives") {
  struct Lost {
    int node;
  };
  struct Ended {
    std::int64_t step;
  };
  EventQueue<std::variant<Lost, Ended>> queue;
  queue.push(ns(2), 0, Ended{7});
  queue.push(ns(1), 0, Lost{3});
  CHECK(std::get<Lost>(queue.pop().payload).node == 3);
  CHECK(std::get<Ended>(queue.pop().payload).step == 7);
}

TEST_CASE("a payload is destroyed when it is cancelled or popped, or with the queue") {
  const auto token = std::make_shared<int>(0);
  {
    EventQueue<std::shared_ptr<int>> queue;
    const EventHandle first = queue.push(ns(1), 0, token);
    queue.push(ns(2), 0, token);
    queue.push(ns(3), 0, token);
    CHECK(token.use_count() == 4);
    queue.cancel(first);
    CHECK(token.use_count() == 3);
    queue.pop();
    CHECK(token.use_count() == 2);
  }
  CHECK(token.use_count() == 1);
}

}  // namespace
}  // namespace bethany
