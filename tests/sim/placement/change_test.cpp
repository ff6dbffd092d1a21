// Plans that come from another plan: who is who, what moves, and what is refused.

#include <rapidcheck.h>

#include <set>

#include "sim/placement/answers.h"
#include "sim/placement/domains.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

PlaceRequest request(int nodes, const naive::Loads& loads) {
  PlaceRequest at;
  at.nodes = nodes;
  at.slots_per_node = 6;
  at.loads = naive::one_layer(loads);
  return at;
}

const naive::Loads kLoads = {1, 1, 2, 4, 8, 16, 32, 64};

PlaceAnswer placed(const PlaceRequest& at) {
  auto answer = answer_place(at);
  REQUIRE(std::holds_alternative<PlaceAnswer>(answer));
  return std::get<PlaceAnswer>(std::move(answer));
}

TEST_CASE("survivors keep their numbers where they exist, the others take the lowest free") {
  ChangeRequest change;
  change.previous.nodes = 6;
  using Nodes = std::vector<std::int32_t>;
  CHECK(previous_nodes(change, 6) == Nodes{0, 1, 2, 3, 4, 5});
  CHECK(previous_nodes(change, 8) == Nodes{0, 1, 2, 3, 4, 5, -1, -1});
  change.lost = {1, 4};
  CHECK(previous_nodes(change, 6) == Nodes{0, -1, 2, 3, -1, 5});
  CHECK(previous_nodes(change, 4) == Nodes{0, 5, 2, 3});
  CHECK(previous_nodes(change, 5) == Nodes{0, 5, 2, 3, -1});
  CHECK_THROWS_WITH(previous_nodes(change, 3),
                    Catch::Contains("4 nodes of the previous plan are there"));
  change.lost = {1, 1};
  CHECK_THROWS_WITH(previous_nodes(change, 6), Catch::Contains("named twice"));
  change.lost = {6};
  CHECK_THROWS_WITH(previous_nodes(change, 6), Catch::Contains("0..5"));
}

TEST_CASE("an equal question after its own answer changes nothing") {
  auto at = request(10, kLoads);
  const auto first = placed(at);
  at.change = ChangeRequest();
  at.change->previous = first.plan;
  at.change->expert_bytes = 100;
  const auto second = placed(at);
  CHECK(second.plan == first.plan);
  REQUIRE(second.reconfiguration);
  CHECK(second.reconfiguration->binding.summary.experts_moved == 0);
  CHECK(second.reconfiguration->binding.least_moved);
  CHECK(second.reconfiguration->bytes == 0);
  CHECK_FALSE(second.reconfiguration->seconds);
}

TEST_CASE("the printed plan is the previous one and what was moved") {
  CHECK(rc::check([] {
    naive::Loads before;
    naive::Loads after;
    for (int e = 0; e < 8; ++e) {
      before.push_back(*rc::gen::inRange<std::int64_t>(1, 100));
      after.push_back(*rc::gen::inRange<std::int64_t>(1, 100));
    }
    const auto first = placed(request(8, before));
    auto at = request(*rc::gen::inRange(7, 11), after);
    at.change = ChangeRequest();
    at.change->previous = first.plan;
    at.change->lost = {*rc::gen::inRange(0, 8)};
    at.change->method = *rc::gen::element(BindingMethod::greedy, BindingMethod::min_cost);
    at.change->expert_bytes = 10;
    at.change->dense_bytes = 1000;
    at.change->bytes_per_second = 100;
    const auto answered = answer_place(at);
    if (std::holds_alternative<Infeasible>(answered)) return;  // the node took an expert along
    const auto& answer = std::get<PlaceAnswer>(answered);
    const auto& change = *answer.reconfiguration;
    std::set<std::pair<int, int>> fetched;  // (node, expert)
    std::int64_t bytes = 0;
    for (const auto& transfer : change.binding.transfers) {
      if (transfer.expert >= 0) fetched.emplace(transfer.to, transfer.expert);
      bytes += transfer.bytes;
    }
    std::int64_t missing = 0;
    for (int node = 0; node < at.nodes; ++node) {
      const int was = change.previous_node[static_cast<std::size_t>(node)];
      std::set<int> held;
      if (was >= 0) {
        for (const auto e : first.plan.node_slots(0, was)) held.insert(e);
      }
      std::set<int> needed;
      for (const auto e : answer.plan.node_slots(0, node)) {
        if (e != kVacant) needed.insert(e);
      }
      for (const int e : needed) {
        if (held.count(e) > 0) continue;
        ++missing;
        RC_ASSERT(fetched.count({node, e}) == 1U);
      }
    }
    RC_ASSERT(missing == change.binding.summary.experts_moved);
    RC_ASSERT(*change.bytes == bytes);
    RC_ASSERT(*change.seconds == static_cast<double>(*change.busiest_port_bytes) / 100);
    // Only names changed: the same question without a past has the same nodes, in another order.
    auto fresh = at;
    fresh.change.reset();
    auto rows = [&](const PlacementPlan& plan) {
      std::multiset<std::vector<std::int32_t>> all;
      for (int node = 0; node < plan.nodes; ++node) {
        const auto slots = plan.node_slots(0, node);
        all.emplace(slots.begin(), slots.end());
      }
      return all;
    };
    RC_ASSERT(rows(placed(fresh).plan) == rows(answer.plan));
    RC_ASSERT(placed(fresh).max_over_mean == answer.max_over_mean);
    // The tokens of a GPU move with its replicas.
    for (int node = 0; node < at.nodes; ++node) {
      double share = 0;
      for (const auto e : answer.plan.node_slots(0, node)) {
        if (e == kVacant) continue;
        const auto expert = static_cast<std::size_t>(e);
        share += static_cast<double>(after[expert]) / answer.plan.layers[0].replicas[expert];
      }
      std::int64_t all = 0;
      for (const auto load : after) all += load;
      RC_ASSERT(std::abs(answer.gpu_share[0][static_cast<std::size_t>(node)] -
                         share / static_cast<double>(all)) < 1e-9);
    }
  }));
}

TEST_CASE("a previous plan that does not fit is refused, one that lost state has no answer") {
  auto at = request(10, kLoads);
  const auto first = placed(at);
  at.loads = naive::one_layer({1, 2, 3});
  at.change = ChangeRequest();
  at.change->previous = first.plan;
  CHECK_THROWS_WITH(answer_place(at), Catch::Contains("1 layers of 8 experts"));
  at = request(10, kLoads);
  at.change = ChangeRequest();
  at.change->previous = first.plan;
  at.change->lost = {0, 1};  // the hosts of the coldest experts
  const auto answer = answer_place(at);
  REQUIRE(std::holds_alternative<Infeasible>(answer));
  CHECK(std::get<Infeasible>(answer).reason.find("expert 0 of layer 0") == 0);
}

TEST_CASE("of a tree of domains the outermost level with several counts") {
  using Nodes = std::vector<std::int32_t>;
  const PlanDomain left{"left", {0}, {{"inner", {2}, {}}}};
  const PlanDomain right{"right", {3, 1}, {}};
  CHECK(domain_of_nodes({}, 3).empty());
  CHECK(domain_of_nodes({left, right}, 5) == Nodes{0, 1, 0, 1, 2});
  CHECK(domain_of_nodes({{"all", {}, {right, left}}}, 4) == Nodes{0, 1, 0, 1});
  CHECK(domains_among({0, 1, 0, 1, 2}, {4, 1, 3}) == Nodes{0, 1, 1});
}

TEST_CASE("expert groups divide the experts") {
  auto at = request(10, kLoads);
  at.expert_groups = 3;
  CHECK_THROWS_WITH(answer_place(at), Catch::Contains("3 expert groups"));
  at.expert_groups = 4;
  CHECK(std::holds_alternative<PlaceAnswer>(answer_place(at)));
}

}  // namespace
}  // namespace bethany
