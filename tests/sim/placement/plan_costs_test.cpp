#include "sim/placement/plan_costs.h"

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

TEST_CASE("gradient traffic: 2 (g - 1) / g for each expert on g nodes, replicas of a node as one") {
  PlacementPlan plan{
      .nodes = 3, .gpus_per_node = 2, .slots_per_node = 4, .experts = 3, .layers = {}};
  // Expert 0 on all three nodes and twice on the first, 1 on two, 2 on one node's two GPUs.
  plan.layers.push_back({{4, 2, 2}, {0, 1, 0, kVacant, 0, 1, kVacant, kVacant, 0, 2, 2, kVacant}});
  const auto traffic = gradient_traffic(plan, 0);
  REQUIRE(traffic.size() == 3);
  CHECK(traffic[0] == Approx(4.0 / 3 + 1));
  CHECK(traffic[1] == Approx(4.0 / 3 + 1));
  CHECK(traffic[2] == Approx(4.0 / 3));
  CHECK(busiest_gradient_traffic(plan, 0) == Approx(7.0 / 3));
  CHECK(hosted_pairs(plan, 0) == 6);
}

TEST_CASE("a full group of MRO: every node of the group has the same experts") {
  // placement.md 6.3 for one group of two nodes with two experts, and one of four.
  const auto plan = naive::plan("mro", 6, 2, {2, 2, 4, 4});
  CHECK(busiest_gradient_traffic(plan, 0) == Approx(2 * 2 * 3.0 / 4));
  CHECK(hosted_pairs(plan, 0) == 12);
}

TEST_CASE("off-node share: rows that cross nodes over rows computed") {
  LayerTraffic traffic;
  CHECK(off_node_share(traffic) == 0);
  traffic.computed = {30, 10};
  traffic.sent_inside = {5, 0};
  traffic.sent_outside = {0, 10};
  CHECK(off_node_share(traffic) == Approx(0.25));
  // One host for each of two experts, equal loads: half of all rows must go to the other node.
  const auto at = naive::shape(2, 1, 2);
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  const std::vector<std::int64_t> rows{100, 100};
  const naive::Loads loads{1, 1};
  CHECK(off_node_share(dispatch->dispatch(at, {{1, 1}, {0, 1}}, rows, loads)) == Approx(0.5));
}

TEST_CASE("the costs of a layer are those of its parts") {
  // Expert 0 on both nodes keeps its half of the rows at home; of the quarters of 1 and 2, which
  // have one host each, half is routed on the other node.
  const auto at = naive::shape(2, 2, 3);
  PlacementPlan plan{
      .nodes = 2, .gpus_per_node = 1, .slots_per_node = 2, .experts = 3, .layers = {}};
  plan.layers.push_back({{2, 1, 1}, {0, 1, 0, 2}});
  const auto dispatch = naive::part(dispatches(), "min-makespan");
  const auto costs = layer_costs(at, plan, 0, naive::Loads{2, 1, 1}, *dispatch);
  CHECK(costs.max_over_mean == Approx(1));
  CHECK(costs.off_node_share == Approx(.25));
  CHECK(costs.gradient_traffic == Approx(1));
  CHECK(costs.hosted_pairs == 4);
}

}  // namespace
}  // namespace bethany
