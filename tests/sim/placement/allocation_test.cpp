#include <rapidcheck.h>

#include <numeric>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

Counts proportional(const PlacementShape& shape, const Loads& loads) {
  const auto made = naive::part(allocations(), "proportional")->allocate(shape, loads);
  REQUIRE(std::holds_alternative<Counts>(made));
  return std::get<Counts>(made);
}

std::string reason(const std::variant<Counts, Infeasible>& made) {
  REQUIRE(std::holds_alternative<Infeasible>(made));
  return std::get<Infeasible>(made).reason;
}

TEST_CASE("Eq. 1 gives the vectors of papers.md 6.1") {
  CHECK(proportional(naive::shape(10, 6, 8), {1, 1, 2, 4, 8, 16, 32, 64}) ==
        Counts{2, 2, 2, 2, 3, 7, 14, 28});
  CHECK(proportional(naive::shape(10, 6, 8), Loads(8, 1)) == Counts{7, 7, 7, 7, 8, 8, 8, 8});
  CHECK(proportional(naive::shape(10, 6, 12), Loads(12, 5)) == Counts(12, 5));
  CHECK(proportional(naive::shape(10, 6, 16), Loads(16, 1)) ==
        Counts{3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4});
  CHECK(proportional(naive::shape(4, 3, 6, 1, 1), {1, 2, 3, 4, 5, 6}) == Counts{1, 1, 1, 2, 3, 4});
}

TEST_CASE("experts keep their place whatever the order of the loads") {
  CHECK(proportional(naive::shape(10, 6, 8), {64, 1, 16, 2, 32, 1, 8, 4}) ==
        Counts{28, 2, 7, 2, 14, 2, 3, 2});
}

TEST_CASE("the minimum is dropped when f replicas of each do not fit") {
  const auto shape = naive::shape(5, 6, 16);
  CHECK(shape.effective_fault_threshold() == 1);
  const auto counts = proportional(shape, Loads(16, 3));
  CHECK(std::accumulate(counts.begin(), counts.end(), 0) == 30);
}

TEST_CASE("experts without load get f replicas, and no load at all counts as equal loads") {
  CHECK(proportional(naive::shape(4, 3, 4), {0, 0, 5, 5}) == Counts{2, 2, 4, 4});
  CHECK(proportional(naive::shape(4, 3, 4), {0, 0, 0, 0}) == Counts{3, 3, 3, 3});
}

TEST_CASE("loads near 2^62 do not overflow") {
  const std::int64_t huge = (std::int64_t{1} << 60) - 1;
  CHECK(proportional(naive::shape(1000, 8, 3), {huge, huge, huge}) == Counts{2666, 2667, 2667});
}

TEST_CASE("fewer slots than experts is infeasible, with the numbers") {
  const auto allocation = naive::part(allocations(), "proportional");
  CHECK(reason(allocation->allocate(naive::shape(2, 3, 7), Loads(7, 1))) ==
        "2 nodes of 3 slots hold 6 replicas; 7 experts need one each");
  CHECK(allocation->minimum_nodes(naive::shape(9, 3, 7)) == 3);
  CHECK(allocation->usable_nodes(naive::shape(9, 3, 7), 5) == 5);
}

TEST_CASE("Eq. 1 fills every slot, keeps f and never favours a lighter expert") {
  CHECK(rc::check([] {
    const int nodes = *rc::gen::inRange(1, 40);
    const int slots = *rc::gen::inRange(1, 9);
    const int experts = *rc::gen::inRange(1, nodes * slots + 1);
    const auto shape = naive::shape(nodes, slots, experts, 1, *rc::gen::inRange(1, 6));
    const auto loads = *rc::gen::container<Loads>(
        static_cast<std::size_t>(experts),
        rc::gen::weightedOneOf<std::int64_t>({{1, rc::gen::just<std::int64_t>(0)},
                                              {4, rc::gen::inRange<std::int64_t>(0, 1000)},
                                              {1, rc::gen::inRange<std::int64_t>(0, 1L << 50)}}));
    const auto counts = proportional(shape, loads);
    RC_ASSERT(std::accumulate(counts.begin(), counts.end(), 0) == nodes * slots);
    for (std::size_t a = 0; a < counts.size(); ++a) {
      RC_ASSERT(counts[a] >= shape.effective_fault_threshold());
      for (std::size_t b = 0; b < counts.size(); ++b) {
        if (loads[a] < loads[b]) RC_ASSERT(counts[a] <= counts[b]);
      }
    }
  }));
}

TEST_CASE("EP groups are those of the paper's models") {
  // papers.md 1.6: GPT-S, GPT-M, GPT-L on 10 nodes of one GPU with 6 slots.
  const auto allocation = naive::part(allocations(), "ep");
  struct Row {
    int experts, ep, usable;
  };
  for (const auto& row : {Row{8, 2, 10}, Row{12, 2, 10}, Row{16, 4, 8}}) {
    auto shape = naive::shape(10, 6, row.experts);
    CHECK(allocation->minimum_nodes(shape) == row.ep);
    CHECK(allocation->usable_nodes(shape, 10) == row.usable);
    shape.nodes = row.usable;
    CHECK(std::get<Counts>(allocation->allocate(shape, Loads(16, 1))) ==
          Counts(static_cast<std::size_t>(row.experts), row.usable / row.ep));
  }
  CHECK(reason(allocation->allocate(naive::shape(10, 6, 16), Loads(16, 1))) ==
        "EP groups of 4 GPUs can use 8 of 10 nodes");
  CHECK(reason(allocation->allocate(naive::shape(3, 6, 16), Loads(16, 1))) ==
        "an EP group of 4 GPUs needs 4 nodes; there are 3");
}

TEST_CASE("a node holds several EP groups, or a group several nodes") {
  const auto allocation = naive::part(allocations(), "ep");
  const auto inside = naive::shape(3, 8 * 4, 16, 8);  // EP 4 on 8 GPUs: 2 groups a node
  CHECK(allocation->minimum_nodes(inside) == 1);
  CHECK(std::get<Counts>(allocation->allocate(inside, {})) == Counts(16, 6));
  const auto across = naive::shape(6, 8 * 4, 64, 8);  // EP 16: 2 nodes a group
  CHECK(allocation->minimum_nodes(across) == 2);
  CHECK(std::get<Counts>(allocation->allocate(across, {})) == Counts(64, 3));
}

TEST_CASE("EP groups that do not fit are infeasible and say why") {
  const auto shape = naive::shape(4, 8 * 4, 12, 8);
  CHECK(reason(naive::part(allocations(), "ep")->allocate(shape, {})) ==
        "EP groups of 3 GPUs do not fill nodes of 8 GPUs: one must divide the other");
  CHECK(std::get<Counts>(
            naive::part(allocations(), "ep", R"({"ep_size": 4})")->allocate(shape, {})) ==
        Counts(12, 8));
  CHECK(reason(naive::part(allocations(), "ep", R"({"ep_size": 5})")->allocate(shape, {})) ==
        "EP groups of 5 GPUs cannot share 12 experts equally");
  CHECK(reason(naive::part(allocations(), "ep", R"({"ep_size": 2})")->allocate(shape, {})) ==
        "EP groups of 2 GPUs need 6 slots per GPU; there are 4");
}

}  // namespace
}  // namespace bethany
