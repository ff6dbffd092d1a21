// Ranks that train for a validation: what they are predicted to need is what they allocate.
#include <algorithm>
#include <atomic>
#include <future>
#include <map>

#include "gpu/elastic/crew.h"
#include "gpu/validate/observer.h"
#include "gpu/validate/testbed.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

/// `step`: as predicted; a short one lets losses strike the very first step.
CaseWorld world(const std::string& step = "20ms") {
  CaseWorld world;
  world.steps = 12;
  world.checkpoint_every = 3;
  world.rebalance_every = 4;
  world.cost.member("model") = JsonNode::of("fixed");
  for (const auto& [key, value] :
       std::map<std::string, std::string>{{"step", step},
                                          {"checkpoint", "5ms"},
                                          {"detection", "5ms"},
                                          {"planning", "1ms"},
                                          {"communicator", "2ms"},
                                          {"transfer", "4ms"},
                                          {"process_start", "3ms"},
                                          {"group_init", "2ms"},
                                          {"load", "3ms"},
                                          {"rebalance_communicator", "1ms"}}) {
    world.cost.member(key) = JsonNode::of(value);
  }
  return world;
}

}  // namespace

TEST_CASE("rank testbed: the fullest rank allocates what was predicted") {
  for (const std::string mode : {"serialised", "processes"}) {
    const auto testbed = make_testbed("cpu", {.mode = mode});
    for (const auto& policy : {"lazarus", "ds", "ds-ft"}) {
      for (const std::string failures : {"none", "rejoin"}) {
        // A process dies at a real instant: what survivors had made room for by then is chance.
        if (mode == "processes" && failures != "none") continue;
        INFO(mode << ", " << policy << ", failures " << failures);
        const std::vector<Case> cases{
            {.policy = policy, .routing = "zipf", .nodes = 4, .failures = failures, .seed = 2}};
        const auto run = perform_case(cases, 0, 0, world(), *testbed);
        REQUIRE(run.failure.empty());
        REQUIRE(run.memory);
        CHECK(run.memory->measured > 1e6);
        CHECK(run.memory->predicted == Approx(run.memory->measured).epsilon(0.02));
        if (failures == "none") CHECK(run.memory->predicted == run.memory->measured);
      }
    }
  }
}

TEST_CASE("rank testbed: a first step that a loss undoes has needed its memory all the same") {
  const auto testbed = make_testbed("cpu", {.mode = "serialised"});
  const std::vector<Case> cases{{.policy = "lazarus:placement=spread",
                                 .routing = "zipf",
                                 .nodes = 6,
                                 .failures = "rejoin",
                                 .seed = 2}};
  auto short_steps = world("1us");
  short_steps.stack.ffn = 2048;  // state and slices to be summed outweigh activations
  const auto run = perform_case(cases, 0, 0, short_steps, *testbed);
  REQUIRE(run.failure.empty());
  REQUIRE(run.memory);
  CHECK(run.memory->predicted == run.memory->measured);
}

TEST_CASE("rank testbed: before each phase of ranks that take turns, caches are emptied untimed") {
  double now = 0;
  static double* clock = nullptr;  // PhaseClock has no state
  clock = &now;
  double waited = 7;
  PhaseLog log({.clock = [] { return *clock; },
                .before = [&] { now += 100, waited += 50; },
                .waited = [&waited] { return waited; }});
  log.compute("gate", 0, [&] { now += 1, waited += 0.75; });
  log.compute("loss", -1, [&now] { now += 2; });
  CHECK(log.times()[0].seconds == 1);
  CHECK(log.times()[0].waited == 0.75);
  CHECK(log.times()[1].seconds == 2);
  CHECK(now == 203);

  // Aside: in the turn, and no phase. Beside a device the host's own work leaves others the turn.
  Turn turn;
  bool others_may = false;
  const auto look = [&] {
    others_may = std::async(std::launch::async, [&] {
                   const std::unique_lock<Turn> taken(turn, std::try_to_lock);
                   return taken.owns_lock();
                 }).get();
  };
  for (const bool device : {false, true}) {
    PhaseTiming timing{.turn = &turn};
    if (device) timing.waited = [] { return 0.0; };
    PhaseLog taking(timing);
    taking.aside(look);
    CHECK_FALSE(others_may);
    taking.on_host(look);
    CHECK(others_may == device);
    CHECK(taking.times().empty());
  }

  constexpr int kNodes = 3;
  const CaseWorld small;
  auto plan = std::make_shared<PlacementPlan>();
  plan->nodes = kNodes;
  plan->slots_per_node = small.stack.experts;
  plan->experts = small.stack.experts;
  LayerPlan layer;
  layer.replicas.assign(static_cast<std::size_t>(small.stack.experts), kNodes);
  for (int slot = 0; slot < kNodes * small.stack.experts; ++slot) {
    layer.expert_of_slot.push_back(slot % small.stack.experts);
  }
  plan->layers.assign(static_cast<std::size_t>(small.stack.layers), layer);
  for (const bool serialised : {true, false}) {
    std::atomic<int> emptied{0};
    const auto crew = make_thread_crew({.shape = small.stack, .placement = {.experts = 8}},
                                       {.serialised = serialised,
                                        .compute = [](int) { return make_compute("cpu"); },
                                        .before = [&emptied] { ++emptied; }});
    const std::vector<NodeId> nodes{NodeId(0), NodeId(1), NodeId(2)};
    crew->start(nodes);
    crew->connect({{nodes[0], 0}, {nodes[1], 0}, {nodes[2], 0}});
    Order order;
    order.plan = plan;
    order.kind = Order::Kind::initialise;
    crew->obey(order, {});
    order.kind = Order::Kind::commit;
    order.samples_of_rank = {1, 1, 1};
    crew->obey(order, {});
    CHECK(emptied == (serialised ? 2 * kNodes : 0));  // "load" and "optimizer"
  }
  CHECK_THROWS_WITH(make_testbed("cpu", {.mode = "threads", .cold = true}),
                    Catch::Contains("serialised"));
  CHECK_THROWS_WITH(make_testbed("synthetic", {.cold = true}), Catch::Contains("cold"));
  const auto facts = make_testbed("cpu", {.cold = true})->facts();
  CHECK(std::count(facts.begin(), facts.end(),
                   std::pair<std::string, std::string>("caches", "emptied before each phase")) ==
        1);
}

}  // namespace bethany::test
