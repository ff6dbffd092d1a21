#include "sim/engine/simulator.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/catch.h"

namespace bethany {
namespace {

SimTime ns(std::int64_t count) { return at(Duration(count)); }

/// Notes what ran.
struct Names {
  std::vector<std::string> seen;
  void operator()(const EventKey&, std::string&& name) { seen.push_back(std::move(name)); }
};

TEST_CASE("a simulator runs events by time, phase and order of scheduling") {
  Simulator<std::string> simulator;
  simulator.schedule(ns(20), 0, "late");
  simulator.schedule(ns(10), 2, "timer");
  simulator.schedule(ns(10), 0, "work a");
  simulator.schedule(ns(10), 0, "work b");
  Names names;
  CHECK(simulator.run_until(ns(100), 3, names));
  CHECK(names.seen == std::vector<std::string>{"work a", "work b", "timer", "late"});
  CHECK(simulator.now() == ns(100));
  CHECK(simulator.phase() == 3);
  CHECK(simulator.events_run() == 4);
}

TEST_CASE("a handler sees the key of its event, and now() says the same") {
  Simulator<int> simulator;
  simulator.schedule(ns(5), 1, 0);
  simulator.schedule(ns(7), 2, 1);
  std::vector<EventKey> keys;
  simulator.run_until(ns(10), 0, [&](const EventKey& key, int&& payload) {
    CHECK(simulator.now() == key.time);
    CHECK(simulator.phase() == key.phase);
    CHECK(static_cast<std::uint64_t>(payload) == key.sequence);
    keys.push_back(key);
  });
  CHECK(keys == std::vector<EventKey>{{ns(5), 1, 0}, {ns(7), 2, 1}});
}

TEST_CASE("run_until ends exactly at the instant and phase asked for") {
  Simulator<std::string> simulator;
  for (int phase = 0; phase < kPhases; ++phase) {
    simulator.schedule(ns(9), phase, "9/" + std::to_string(phase));
    simulator.schedule(ns(10), phase, "10/" + std::to_string(phase));
  }
  Names names;
  simulator.run_until(ns(8), 3, names);
  CHECK(names.seen.empty());
  CHECK(simulator.next_time() == ns(9));
  simulator.run_until(ns(10), 0, names);
  CHECK(names.seen == std::vector<std::string>{"9/0", "9/1", "9/2", "9/3", "10/0"});
  CHECK(simulator.pending() == 3);
  simulator.run_until(ns(10), 1, names);
  CHECK(names.seen.back() == "10/1");
  simulator.run_until(ns(10), 1, names);  // nothing is left up to there
  CHECK(names.seen.size() == 6);
  simulator.run_until(ns(11), 0, names);
  CHECK(names.seen.back() == "10/3");
  CHECK(simulator.next_time() == kNever);
}

TEST_CASE("what a handler schedules for the same instant runs in it, in its phase") {
  Simulator<std::string> simulator;
  simulator.schedule(ns(10), 1, "first");
  simulator.schedule(ns(10), 1, "second");
  simulator.schedule(ns(10), 3, "decide");
  std::vector<std::string> seen;
  simulator.run_until(ns(10), 3, [&](const EventKey&, std::string&& name) {
    seen.push_back(name);
    if (name != "first") return;
    simulator.schedule(ns(10), 2, "timer");
    simulator.schedule(ns(10), 1, "same phase");
  });
  CHECK(seen == std::vector<std::string>{"first", "second", "same phase", "timer", "decide"});
}

TEST_CASE("what a handler schedules beyond the end waits for the next run") {
  Simulator<int> simulator;
  simulator.schedule(ns(10), 0, 0);
  int runs = 0;
  const auto handler = [&](const EventKey& key, int&&) {
    ++runs;
    simulator.schedule(key.time, 1, 1);
  };
  simulator.run_until(ns(10), 0, handler);
  CHECK(runs == 1);
  CHECK(simulator.pending() == 1);
}

TEST_CASE("the past may not be scheduled: earlier instants, or earlier phases of this one") {
  Simulator<int> simulator(ns(5));
  CHECK_FALSE(simulator.may_schedule(ns(4), 3));
  CHECK(simulator.may_schedule(ns(5), 0));
  simulator.schedule(ns(10), 1, 0);
  int runs = 0;
  simulator.run_until(ns(10), 2, [&](const EventKey&, int&&) {
    ++runs;
    CHECK_FALSE(simulator.may_schedule(ns(9), 3));
    CHECK_FALSE(simulator.may_schedule(ns(10), 0));
    CHECK(simulator.may_schedule(ns(10), 1));
    CHECK(simulator.may_schedule(ns(10), 3));
    CHECK(simulator.may_schedule(ns(11), 0));
  });
  CHECK(runs == 1);
  CHECK_FALSE(simulator.may_schedule(ns(10), 1));  // the run has left phase 1 behind
  CHECK(simulator.may_schedule(ns(10), 2));
}

TEST_CASE("only phases there are, and instants that come, may be scheduled") {
  const Simulator<int> simulator;
  CHECK_FALSE(simulator.may_schedule(ns(1), -1));
  CHECK_FALSE(simulator.may_schedule(ns(1), kPhases));
  CHECK_FALSE(simulator.may_schedule(kNever, 0));
  CHECK(simulator.may_schedule(kNever - Duration(1), 0));
}

TEST_CASE("an event that runs can no longer be cancelled; one that waits can") {
  Simulator<int> simulator;
  const EventHandle running = simulator.schedule(ns(10), 0, 0);
  const EventHandle waiting = simulator.schedule(ns(10), 0, 1);
  std::vector<int> seen;
  simulator.run_until(ns(10), 3, [&](const EventKey&, int&& payload) {
    seen.push_back(payload);
    CHECK_FALSE(simulator.is_pending(running));
    CHECK_FALSE(simulator.cancel(running));
    CHECK(simulator.is_pending(waiting));
    CHECK(simulator.cancel(waiting));
    CHECK_FALSE(simulator.cancel(waiting));
  });
  CHECK(seen == std::vector<int>{0});
  CHECK(simulator.pending() == 0);
}

TEST_CASE("step runs one event at a time") {
  Simulator<std::string> simulator;
  simulator.schedule(ns(2), 0, "b");
  simulator.schedule(ns(1), 0, "a");
  Names names;
  CHECK(simulator.step(names));
  CHECK(simulator.now() == ns(1));
  CHECK(names.seen == std::vector<std::string>{"a"});
  CHECK(simulator.step(names));
  CHECK_FALSE(simulator.step(names));
  CHECK(simulator.now() == ns(2));
}

TEST_CASE("stop ends the run after the event that called it; the next run goes on") {
  Simulator<int> simulator;
  for (int i = 1; i <= 5; ++i) simulator.schedule(ns(i), 0, i);
  std::vector<int> seen;
  const auto handler = [&](const EventKey&, int&& payload) {
    seen.push_back(payload);
    if (payload == 3) simulator.stop();
  };
  CHECK_FALSE(simulator.run_until(ns(10), 3, handler));
  CHECK(seen == std::vector<int>{1, 2, 3});
  CHECK(simulator.now() == ns(3));
  CHECK(simulator.phase() == 0);
  CHECK(simulator.pending() == 2);
  CHECK(simulator.run_until(ns(10), 3, handler));
  CHECK(seen == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(simulator.now() == ns(10));
}

TEST_CASE("observers see every event before its handler, in the order they were added") {
  Simulator<int> simulator;
  std::vector<std::string> seen;
  const auto note = [&seen](std::string name) {
    return [&seen, name](const EventKey& key) {
      seen.push_back(name + std::to_string(key.time.time_since_epoch().count()) + "/" +
                     std::to_string(key.phase) + "/" + std::to_string(key.sequence));
    };
  };
  simulator.add_observer(note("a"));
  simulator.add_observer(note("b"));
  simulator.schedule(ns(4), 2, 0);
  simulator.step([&](const EventKey&, int&&) { seen.push_back("handler"); });
  CHECK(seen == std::vector<std::string>{"a4/2/0", "b4/2/0", "handler"});
}

TEST_CASE("a handler that throws leaves a simulator that can go on") {
  Simulator<int> simulator;
  simulator.schedule(ns(1), 0, 0);
  simulator.schedule(ns(2), 0, 1);
  const auto handler = [](const EventKey&, int&& payload) {
    if (payload == 0) throw std::runtime_error("no");
  };
  CHECK_THROWS_AS(simulator.run_until(ns(5), 0, handler), std::runtime_error);
  CHECK(simulator.now() == ns(1));
  CHECK(simulator.run_until(ns(5), 0, handler));
  CHECK(simulator.events_run() == 2);
}

TEST_CASE("payloads that can only be moved reach the handler") {
  Simulator<std::unique_ptr<int>> simulator;
  simulator.schedule(ns(1), 0, std::make_unique<int>(7));
  std::unique_ptr<int> kept;
  simulator.step(
      [&](const EventKey&, std::unique_ptr<int>&& payload) { kept = std::move(payload); });
  REQUIRE(kept != nullptr);
  CHECK(*kept == 7);
}

/// The digest of a small run. A tick reschedules itself a few times.
std::uint64_t digest_of_run(std::int64_t period_ns, int phase, bool with_payloads) {
  Simulator<int> simulator;
  if (with_payloads) {
    simulator.set_payload_hash([](const int& left) { return static_cast<std::uint64_t>(left); });
  }
  simulator.schedule(ns(0), phase, 100);
  simulator.schedule(ns(50), 0, 0);
  simulator.run_until(ns(1000), 3, [&](const EventKey& key, int&& left) {
    if (left > 0) simulator.schedule(key.time + Duration(period_ns), phase, left - 1);
  });
  return simulator.digest();
}

TEST_CASE("equal runs have equal digests, different runs different ones") {
  const std::uint64_t digest = digest_of_run(3, 1, false);
  CHECK(digest == digest_of_run(3, 1, false));
  CHECK(digest != digest_of_run(4, 1, false));
  CHECK(digest != digest_of_run(3, 2, false));
  CHECK(digest != digest_of_run(3, 1, true));
  CHECK(digest_of_run(3, 1, true) == digest_of_run(3, 1, true));
}

TEST_CASE("the digest is the same on every machine and compiler") {
  RunDigest digest;
  CHECK(digest.value() == 0x18eb3b6a135aaa35);
  digest.add(EventKey{ns(1'000'000'007), 2, 42});
  digest.add(EventKey{ns(-1), 0, 43});
  digest.add(7);
  CHECK(digest.value() == 0xed189c46acbebcf8);
}

TEST_CASE("the digest tells apart order, phase, sequence and number of events") {
  const EventKey a{ns(1), 0, 0};
  const EventKey b{ns(2), 1, 1};
  const auto digest = [](const std::vector<EventKey>& keys) {
    RunDigest made;
    for (const EventKey& key : keys) made.add(key);
    return made.value();
  };
  CHECK(digest({a, b}) != digest({b, a}));
  CHECK(digest({a}) != digest({a, a}));
  CHECK(digest({}) != digest({EventKey{}}));
  CHECK(digest({{ns(1), 1, 0}}) != digest({a}));
  CHECK(digest({{ns(1), 0, 1}}) != digest({a}));
}

}  // namespace
}  // namespace bethany
