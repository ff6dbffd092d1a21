#include "sim/placement/binding.h"

#include <rapidcheck.h>

#include <map>
#include <numeric>
#include <set>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;

constexpr StateSizes kSizes{.dense_bytes = 1000, .expert_bytes = 10, .checkpoint_bytes = 0};

/// A plan of one layer, one GPU a node: the experts of each node.
PlacementPlan plan_of(const std::vector<std::vector<int>>& nodes, int experts) {
  PlacementPlan plan;
  plan.nodes = static_cast<int>(nodes.size());
  plan.experts = experts;
  for (const auto& node : nodes) {
    plan.slots_per_node = std::max(plan.slots_per_node, static_cast<int>(node.size()));
  }
  LayerPlan layer;
  for (auto node : nodes) {
    node.resize(static_cast<std::size_t>(plan.slots_per_node), kVacant);
    layer.expert_of_slot.insert(layer.expert_of_slot.end(), node.begin(), node.end());
  }
  layer.replicas = naive::counted(layer, experts);
  plan.layers.push_back(layer);
  return plan;
}

using States = std::set<std::pair<int, int>>;  // (layer, expert)

States states_at(const PlacementPlan& plan, int place) {
  States states;
  for (int l = 0; place >= 0 && l < static_cast<int>(plan.layers.size()); ++l) {
    for (const auto e : plan.node_slots(l, place)) {
      if (e != kVacant) states.emplace(l, e);
    }
  }
  return states;
}

std::size_t missing(const States& needs, const States& held) {
  return static_cast<std::size_t>(std::count_if(
      needs.begin(), needs.end(), [&](const auto& s) { return held.find(s) == held.end(); }));
}

/// The rule as its contract says it: a machine's own unchanged place; then equal holdings; then,
/// again and again, the pair with the fewest newly assigned experts, ties by place, machine.
std::vector<int> naive_binding(const PlacementPlan& plan, const Holdings& holdings) {
  const auto n = static_cast<std::size_t>(plan.nodes);
  std::vector<int> machine_of(n, -1);
  std::vector<bool> taken(n);
  std::vector<States> needs;
  std::vector<States> held;
  for (std::size_t i = 0; i < n; ++i) {
    needs.push_back(states_at(plan, static_cast<int>(i)));
    held.push_back(states_at(*holdings.plan, holdings.place_of[i]));
  }
  const auto bind = [&](std::size_t place, std::size_t machine) {
    machine_of[place] = static_cast<int>(machine);
    taken[machine] = true;
  };
  for (std::size_t m = 0; m < n; ++m) {
    const auto place = static_cast<std::size_t>(holdings.place_of[m]);
    if (holdings.place_of[m] < 0 || place >= n) continue;
    if (machine_of[place] < 0 && needs[place] == held[m]) bind(place, m);
  }
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t m = 0; m < n && machine_of[p] < 0; ++m) {
      if (!taken[m] && holdings.place_of[m] >= 0 && needs[p] == held[m]) bind(p, m);
    }
  }
  for (;;) {
    std::size_t best_place = n;
    std::size_t best_machine = n;
    std::size_t fewest = 0;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t m = 0; m < n; ++m) {
        if (machine_of[p] >= 0 || taken[m]) continue;
        const auto cost = missing(needs[p], held[m]);
        if (best_place == n || cost < fewest) best_place = p, best_machine = m, fewest = cost;
      }
    }
    if (best_place == n) return machine_of;
    bind(best_place, best_machine);
  }
}

/// Before and after of one policy: some machines lost, some new.
struct Change {
  PlacementPlan before, after;
  Holdings holdings;
};

Change random_change() {
  Change change;
  const int experts = *rc::gen::inRange(1, 8);
  const int layers = *rc::gen::inRange(1, 4);
  const auto make = [&](int nodes) {
    auto shape = naive::shape(nodes, 3, experts);
    LoadMatrix loads(layers, experts);
    for (auto& load : loads.values) load = *rc::gen::inRange<std::int64_t>(0, 100);
    auto rng = RngStreams(*rc::gen::arbitrary<std::uint64_t>(), 0).stream("test");
    const auto placement = *rc::gen::element<std::string>("mro", "spread", "random");
    return std::get<PlacementPlan>(make_plan(*naive::part(allocations(), "proportional"),
                                             *naive::part(placements(), placement), shape,
                                             LayerOrder::aligned, loads, rng));
  };
  change.before = make(*rc::gen::inRange(3, 9));
  change.after = make(*rc::gen::inRange(3, 9));
  const int n = change.after.nodes;
  change.holdings.place_of.assign(static_cast<std::size_t>(n), -1);
  for (int place = 0, machine = 0; place < change.before.nodes && machine < n; ++machine) {
    change.holdings.place_of[static_cast<std::size_t>(machine)] =
        *rc::gen::inRange(0, 4) == 0 ? -1 : place++;
  }
  std::reverse(change.holdings.place_of.begin(), change.holdings.place_of.end());
  return change;
}

/// Plays the transfers and checks each one: from an owner of before that has sent no more than any
/// other, of a state that was missing.
void check_transfers(const Change& change, const Binding& binding) {
  const auto& place_of = change.holdings.place_of;
  std::vector<std::int64_t> sent(place_of.size());
  std::vector<std::int64_t> received(place_of.size());
  std::vector<States> after;
  for (const int place : place_of) after.push_back(states_at(change.before, place));
  std::int64_t experts = 0;
  std::int64_t dense = 0;
  for (const auto& transfer : binding.transfers) {
    const auto from = static_cast<std::size_t>(transfer.from);
    const auto to = static_cast<std::size_t>(transfer.to);
    const std::pair<int, int> state{transfer.layer, transfer.expert};
    const bool is_dense = transfer.expert < 0;
    for (std::size_t m = 0; m < place_of.size(); ++m) {
      const bool owner =
          is_dense ? place_of[m] >= 0 : states_at(change.before, place_of[m]).count(state) > 0;
      if (m == from) RC_ASSERT(owner);
      if (owner) RC_ASSERT(std::make_pair(sent[m], m) >= std::make_pair(sent[from], from));
    }
    sent[from] += is_dense ? kSizes.dense_bytes : kSizes.expert_bytes;
    received[to] += is_dense ? kSizes.dense_bytes : kSizes.expert_bytes;
    ++(is_dense ? dense : experts);
    if (is_dense) RC_ASSERT(place_of[to] < 0);
    if (!is_dense) RC_ASSERT(after[to].insert(state).second);
  }
  for (std::size_t p = 0; p < place_of.size(); ++p) {
    const auto machine = static_cast<std::size_t>(binding.machine_of_place[p]);
    RC_ASSERT(missing(states_at(change.after, static_cast<int>(p)), after[machine]) == 0U);
  }
  std::int64_t busiest = 0;
  for (std::size_t m = 0; m < sent.size(); ++m) busiest = std::max({busiest, sent[m], received[m]});
  RC_ASSERT(binding.summary.busiest_port_bytes == busiest);
  RC_ASSERT(binding.summary.experts_moved == experts);
  RC_ASSERT(binding.summary.dense_copies == dense);
  RC_ASSERT(dense == std::count(place_of.begin(), place_of.end(), -1));
  RC_ASSERT(binding.summary.total_bytes == 1000 * dense + 10 * experts);
}

TEST_CASE("binding follows the published greedy rule, and the schedule its owners") {
  int complete = 0;
  CHECK(rc::check([&] {
    auto change = random_change();
    change.holdings.plan = &change.before;
    States alive;
    for (const int place : change.holdings.place_of) alive.merge(states_at(change.before, place));
    const auto all = change.before.layers.size() * static_cast<std::size_t>(change.before.experts);
    RC_ASSERT(state_is_complete(change.holdings) == (alive.size() == all));
    if (alive.size() != all) return;
    ++complete;
    const auto binding = bind_plan(change.after, change.holdings, kSizes);
    RC_ASSERT(binding.machine_of_place == naive_binding(change.after, change.holdings));
    check_transfers(change, binding);
  }));
  CHECK(complete > 30);
}

TEST_CASE("an unchanged plan moves nothing, whoever holds which place") {
  CHECK(rc::check([] {
    auto change = random_change();
    const auto n = static_cast<std::size_t>(change.before.nodes);
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    auto rng = RngStreams(*rc::gen::arbitrary<std::uint64_t>(), 0).stream("test");
    rng.shuffle(order);
    const Holdings holdings{.plan = &change.before, .place_of = order};
    const auto binding = bind_plan(change.before, holdings, kSizes);
    RC_ASSERT(binding.transfers.empty());
    RC_ASSERT(binding.summary.total_bytes == 0);
    for (std::size_t p = 0; p < n; ++p) {
      const auto machine = static_cast<std::size_t>(binding.machine_of_place[p]);
      RC_ASSERT(order[machine] == static_cast<int>(p));
    }
  }));
}

TEST_CASE("equal holdings come before a machine that holds more than is needed") {
  // Machine 0 holds {0,1}, machine 1 {0}; place 0 needs {0}, place 1 {0,1}: by ties alone place 0
  // would take machine 0.
  const auto before = plan_of({{0, 1}, {0}}, 2);
  const auto after = plan_of({{0}, {0, 1}}, 2);
  const auto binding = bind_plan(after, {.plan = &before, .place_of = {0, 1}}, kSizes);
  CHECK(binding.machine_of_place == std::vector<int>{1, 0});
  CHECK(binding.transfers.empty());
}

TEST_CASE("requests for one expert are spread over its owners") {
  const auto before = plan_of({{0}, {0}, {1}, {1}}, 2);
  const auto after = plan_of({{0}, {0}, {1, 0}, {1, 0}}, 2);
  const auto binding = bind_plan(after, {.plan = &before, .place_of = {0, 1, 2, 3}}, kSizes);
  CHECK(binding.machine_of_place == std::vector<int>{0, 1, 2, 3});
  REQUIRE(binding.transfers.size() == 2);
  CHECK(binding.transfers[0].from == 0);
  CHECK(binding.transfers[1].from == 1);
  CHECK(binding.summary.busiest_port_bytes == 10);
}

TEST_CASE("a newcomer fetches the dense state too") {
  const auto plan = plan_of({{0}, {0}}, 1);
  const auto binding = bind_plan(plan, {.plan = &plan, .place_of = {-1, 1}}, kSizes);
  CHECK(binding.machine_of_place == std::vector<int>{0, 1});
  REQUIRE(binding.transfers.size() == 2);
  CHECK(binding.transfers[0].expert == -1);  // the larger first
  CHECK(binding.summary.dense_copies == 1);
  CHECK(binding.summary.experts_moved == 1);
  CHECK(binding.summary.busiest_port_bytes == 1010);
}

TEST_CASE("without a plan before nothing is fetched and places go in order") {
  const auto plan = plan_of({{0}, {0}}, 1);
  const Holdings nothing;
  const auto binding = bind_plan(plan, nothing, kSizes);
  CHECK(binding.machine_of_place == std::vector<int>{0, 1});
  CHECK(binding.transfers.empty());
  CHECK_FALSE(state_is_complete(nothing));
}

}  // namespace
}  // namespace bethany
