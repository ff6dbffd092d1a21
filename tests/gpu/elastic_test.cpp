// Training that loses machines must come to the very weights and outputs of training that does not.
#include "tests/gpu/elastic_support.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

const std::vector<std::string>& policies() {
  static const std::vector<std::string> names = {"lazarus",
                                                 "lazarus+",
                                                 "lazarus:placement=spread",
                                                 "lazarus:placement=random",
                                                 "lazarus:dispatch=even",
                                                 "ds",
                                                 "ds-ft"};
  return names;
}

}  // namespace

TEST_CASE("elastic: any number of nodes and any policy trains the same weights") {
  const auto reference = train(elastic_input("lazarus", 4, "zipf"));
  CHECK(reference.steps.size() == kSteps);
  CHECK(reference.state.size() == 1 + 2 * 6);
  for (const auto& policy : policies()) {
    for (const int nodes : {4, 6}) {
      INFO(policy << " on " << nodes);
      check_same(train(elastic_input(policy, nodes, "zipf")), reference);
    }
  }
}

TEST_CASE("elastic: the dispatch that is performed is the dispatch that was simulated") {
  for (const auto& policy : {"lazarus", "lazarus+", "lazarus:dispatch=even"}) {
    for (const auto& routing : {"balanced", "drifting", "burst"}) {
      INFO(policy << " " << routing);
      const auto trained = train(elastic_input(policy, 5, routing), true);
      CHECK(trained.steps.size() == kSteps);
    }
  }
}

TEST_CASE("elastic: losses and joins at any instant leave no trace in weights and outputs") {
  const auto reference = train(elastic_input("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 6; ++number) {
    for (const auto& policy : policies()) {
      INFO(policy << ", trace " << number);
      auto input = elastic_input(policy, 5, "drifting");
      input.trace = random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic"));
      const auto trained = train(input);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
      all.cut += trained.cut;
      all.steps_run += trained.steps_run;
    }
  }
  // The schedules did what they are for.
  CHECK(all.stages[Stage::transfer] > 20);
  CHECK(all.stages[Stage::load] > 5);
  CHECK(all.cut > 20);
  CHECK(all.steps_run > 6 * 7 * kSteps);  // rolled back and done again
}

TEST_CASE("elastic: processes killed by SIGKILL leave no trace in weights and outputs") {
  const auto reference = train(elastic_input("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 3; ++number) {
    for (const auto& policy : {"lazarus", "lazarus+", "ds", "ds-ft"}) {
      INFO(policy << ", trace " << number);
      auto input = elastic_input(policy, 5, "drifting");
      // Real seconds: a step takes milliseconds.
      input.trace =
          random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic/kill"), kRealScale);
      const auto crew = make_process_crew(elastic_setup(input), [] { return make_compute("cpu"); });
      const auto trained = train(input, *crew, false);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
    }
  }
  CHECK(all.stages[Stage::detection] >= 12);
  CHECK(all.stages[Stage::transfer] > 5);
}

}  // namespace bethany::test
