// Ranks that train for a validation: what they are predicted to need is what they allocate.
#include <map>

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
    const auto testbed = make_testbed("cpu", mode);
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
  const auto testbed = make_testbed("cpu", "serialised");
  for (const auto& policy : {"lazarus+", "lazarus:placement=spread"}) {
    INFO(policy);
    const std::vector<Case> cases{
        {.policy = policy, .routing = "zipf", .nodes = 6, .failures = "rejoin", .seed = 2}};
    auto short_steps = world("1us");
    short_steps.stack.ffn = 2048;  // state and slices to be summed outweigh activations
    const auto run = perform_case(cases, 0, 0, short_steps, *testbed);
    REQUIRE(run.failure.empty());
    REQUIRE(run.memory);
    CHECK(run.memory->predicted == run.memory->measured);
  }
}

}  // namespace bethany::test
