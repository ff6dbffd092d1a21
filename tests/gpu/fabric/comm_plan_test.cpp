#include "gpu/fabric/comm_plan.h"

#include <rapidcheck.h>

#include <algorithm>
#include <utility>

#include "tests/support/catch.h"

namespace bethany {
namespace {

/// A plan in which everything matches: messages of any sizes between ranks, in one order on both
/// sides.
CommPlan random_plan(int messages) {
  const int ranks = *rc::gen::inRange(3, 7);
  CommPlan plan(static_cast<std::size_t>(ranks));
  for (int i = 0; i < messages; ++i) {
    const int from = *rc::gen::inRange(0, ranks);
    const int to = (from + *rc::gen::inRange(1, ranks)) % ranks;
    const auto bytes = *rc::gen::inRange<std::int64_t>(1, 1000);
    plan[static_cast<std::size_t>(from)].sends.push_back({to, bytes});
    plan[static_cast<std::size_t>(to)].receives.push_back({from, bytes});
  }
  return plan;
}

RankMessages& some_rank_with_sends(CommPlan& plan) {
  return *std::find_if(plan.begin(), plan.end(), [](const auto& m) { return !m.sends.empty(); });
}

RankMessages& some_rank_with_receives(CommPlan& plan) {
  return *std::find_if(plan.begin(), plan.end(), [](const auto& m) { return !m.receives.empty(); });
}

PlannedMessage& some(std::vector<PlannedMessage>& messages) {
  return messages[*rc::gen::inRange<std::size_t>(0, messages.size())];
}

void erase_some(std::vector<PlannedMessage>& messages) {
  messages.erase(messages.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(messages)));
}

/// Breaks a plan of matching messages in one way; the checker must see it.
template <class Mutate>
void must_be_seen(const Mutate& mutate) {
  CHECK(rc::check([&] {
    CommPlan plan = random_plan(*rc::gen::inRange(1, 12));
    RC_ASSERT(!mismatch(plan));
    mutate(plan);
    RC_ASSERT(mismatch(plan).has_value());
  }));
}

TEST_CASE("a plan whose messages all find their peers is free of mismatches") {
  CHECK(!mismatch({}));
  CHECK(!mismatch(CommPlan(3)));
  CHECK(rc::check([] { RC_ASSERT(!mismatch(random_plan(*rc::gen::inRange(0, 12)))); }));
}

TEST_CASE("a lost send or receive is seen") {
  must_be_seen([](CommPlan& plan) { erase_some(some_rank_with_sends(plan).sends); });
  must_be_seen([](CommPlan& plan) { erase_some(some_rank_with_receives(plan).receives); });
}

TEST_CASE("a message too many is seen") {
  must_be_seen([](CommPlan& plan) { plan[0].sends.push_back({1, 8}); });
  must_be_seen([](CommPlan& plan) { plan[0].receives.push_back({1, 8}); });
}

TEST_CASE("a size that one side changed is seen") {
  must_be_seen([](CommPlan& plan) { ++some(some_rank_with_sends(plan).sends).bytes; });
  must_be_seen([](CommPlan& plan) { ++some(some_rank_with_receives(plan).receives).bytes; });
}

TEST_CASE("a message to another rank than the receiver thinks is seen") {
  must_be_seen([](CommPlan& plan) {
    auto& rank = some_rank_with_sends(plan);
    auto& peer = some(rank.sends).peer;
    const auto ranks = static_cast<int>(plan.size());
    const auto self = static_cast<int>(&rank - plan.data());
    peer = (peer + 1) % ranks;
    if (peer == self) peer = (peer + 1) % ranks;
  });
}

TEST_CASE("messages to oneself, to nobody and of no bytes are seen even when both sides agree") {
  const auto with = [](int from, int to, std::int64_t bytes) {
    CommPlan plan(2);
    if (from >= 0 && from < 2) plan[static_cast<std::size_t>(from)].sends.push_back({to, bytes});
    if (to >= 0 && to < 2) plan[static_cast<std::size_t>(to)].receives.push_back({from, bytes});
    return mismatch(plan).value_or("");
  };
  CHECK(with(0, 1, 5) == "");
  CHECK(with(0, 0, 5) == "rank 0 sends to itself");
  CHECK(with(0, 2, 5) == "rank 0 sends to rank 2 of 2");
  CHECK(with(-1, 1, 5) == "rank 1 receives from rank -1 of 2");
  CHECK(with(0, 1, 0) == "rank 0 sends to rank 1: 0 bytes");
  CHECK(with(0, 1, -4) == "rank 0 sends to rank 1: -4 bytes");
}

TEST_CASE("two messages of a pair in another order are seen, those of two pairs may cross") {
  CommPlan plan(3);
  plan[0].sends = {{1, 10}, {2, 30}, {1, 20}};
  plan[1].receives = {{0, 10}, {0, 20}};
  plan[2].receives = {{0, 30}};
  CHECK(!mismatch(plan));
  std::swap(plan[0].sends[0], plan[0].sends[1]);
  CHECK(!mismatch(plan));
  std::swap(plan[1].receives[0], plan[1].receives[1]);
  CHECK(mismatch(plan) == "message 0 from rank 0 to rank 1: 10 bytes sent, 20 bytes received");
}

TEST_CASE("the message says which side posted too much") {
  CommPlan plan(2);
  plan[0].sends = {{1, 10}};
  CHECK(mismatch(plan) == "from rank 0 to rank 1: 1 sends, 0 receives");
  plan[0].sends.clear();
  plan[1].receives = {{0, 10}};
  CHECK(mismatch(plan) == "from rank 0 to rank 1: 0 sends, 1 receives");
}

}  // namespace
}  // namespace bethany
