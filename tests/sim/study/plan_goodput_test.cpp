#include "sim/study/plan_goodput.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr char kCosts[] =
    R"({"model": "fixed", "step": "3s", "checkpoint": "10s", "detection": "15s", "planning": "1s",
        "communicator": "10s", "transfer": "2s", "reschedule": "4s", "process_start": "50s",
        "group_init": "5s", "load": "7s"})";

Setup setup_with(const std::string& trace) {
  return make_setup(parse_json(fmt::format(R"({{"model": "gpt-s", "cluster": {{"nodes": 10,
      "slots_per_gpu": 6}}, "training": {{"until": {{"time": "10h"}}}}, "trace": {}, "cost": {}}})",
                                           trace, kCosts),
                               "scenario"));
}

Policy policy(const Setup& setup, const std::string& name) {
  return build_policy({name, policy_from_text(name, setup.policies)});
}

LoadMatrix even_loads(const Setup& setup) {
  LoadMatrix loads(setup.scenario.model.moe_layers, setup.scenario.model.experts);
  std::fill(loads.values.begin(), loads.values.end(), 1);
  return loads;
}

/// A plan of the frontier for equal loads, with a recovery of our own.
FrontierPlan plan_with(const Setup& setup, std::vector<double> recovery) {
  ObjectiveRequest request;
  request.shape = {.nodes = 10, .slots_per_gpu = 6, .experts = setup.scenario.model.experts};
  request.loads = even_loads(setup);
  auto plan = std::get<FrontierPlan>(choose_plan(Objective::recovery, request));
  plan.recovery = std::move(recovery);
  return plan;
}

TEST_CASE("failure statistics are the trace's, large bulks cut to the cluster") {
  TraceBuilder builder("test");
  std::vector<NodeId> nodes;
  for (int i = 0; i < 8; ++i) nodes.push_back(builder.node(fmt::format("n{}", i)));
  const auto at_s = [](int seconds) { return at(std::chrono::seconds(seconds)); };
  builder.add(at_s(0), TraceEventKind::join, nodes, 0);
  builder.add(at_s(100), TraceEventKind::lost, std::vector<NodeId>{nodes[0]}, 0);
  builder.add(at_s(150), TraceEventKind::lost, std::vector<NodeId>{nodes[1]}, 0);
  builder.add(at_s(200), TraceEventKind::lost, std::vector<NodeId>(nodes.begin() + 2, nodes.end()),
              0);
  const auto trace = builder.finish(at_s(0), at_s(200));
  const auto failures = failure_statistics(trace, 4);
  CHECK(failures.disruptions_per_s == Approx(3.0 / 200));
  REQUIRE(failures.bulk.size() == 2);
  CHECK(failures.bulk[0].first == 1);
  CHECK(failures.bulk[0].second == Approx(2.0 / 3));
  CHECK(failures.bulk[1].first == 4);
}

TEST_CASE("expected goodput is its closed form") {
  const auto setup = setup_with(R"("none")");
  const auto lazarus = policy(setup, "lazarus");  // a checkpoint every 250 steps
  const FailureStatistics failures{.disruptions_per_s = 1.0 / 1000, .bulk = {{1, 0.75}, {3, 0.25}}};
  const auto plan = plan_with(setup, {1, 1, 0.9, 0.4});
  const auto goodput = expected_goodput(setup, lazarus, even_loads(setup), plan, failures);

  const double in_place = 1.5 + 15 + (1 + 10 + 2) + (1 + 10 + 2);
  const double restart = 1.5 + 15 + (4 + 50 + 5 + 7) + 250 * 3.0 / 2;
  const double per_disruption = 0.75 * in_place + 0.25 * (0.4 * in_place + 0.6 * restart);
  const double overhead = 10.0 / 750 + per_disruption / 1000;
  const auto& training = setup.scenario.training;
  const double tokens =
      10.0 * static_cast<double>(training.batch.sequences * training.batch.accumulation *
                                 training.sequence_length);
  CHECK(goodput.step_s == Approx(3));
  CHECK(goodput.in_place_s == Approx(in_place));
  CHECK(goodput.restart_s == Approx(restart));
  CHECK(goodput.recovery_probability == Approx(0.75 + 0.25 * 0.4));
  CHECK(goodput.overhead_share == Approx(overhead / (1 + overhead)));
  CHECK(goodput.tokens_per_s == Approx(tokens / 3 / (1 + overhead)));
}

TEST_CASE("without losses only checkpoints cost; a plan that survives more is worth more") {
  const auto setup = setup_with(R"("none")");
  const auto lazarus = policy(setup, "lazarus");
  const auto loads = even_loads(setup);
  const auto worth = [&](std::vector<double> recovery, const FailureStatistics& failures) {
    return expected_goodput(setup, lazarus, loads, plan_with(setup, std::move(recovery)), failures);
  };
  const auto calm = worth({1, 0, 0}, failure_statistics(*setup.trace, 10));
  CHECK(calm.recovery_probability == 1);
  CHECK(calm.overhead_share == Approx(10.0 / 760));
  const FailureStatistics storm{.disruptions_per_s = 1.0 / 600, .bulk = {{2, 1}}};
  CHECK(worth({1, 1, 1}, storm).tokens_per_s > worth({1, 1, 0.5}, storm).tokens_per_s);
  CHECK(worth({1, 1, 0.5}, storm).tokens_per_s > worth({1, 1}, storm).tokens_per_s);
}

TEST_CASE("plans come by falling goodput, and loads must fit the model") {
  const auto setup = setup_with(R"({"generator": "spot", "nodes": 12, "length": "6h",
                                    "at_end": "hold"})");
  const auto plus = policy(setup, "lazarus+");
  ObjectiveRequest request;
  request.shape = {.nodes = 10, .slots_per_gpu = 6, .experts = setup.scenario.model.experts};
  request.loads = even_loads(setup);
  const auto candidates = std::get<std::vector<FrontierPlan>>(frontier(request));
  const auto failures = failure_statistics(*setup.trace, 10);
  const auto plans = by_goodput(setup, plus, request.loads, candidates, failures);
  REQUIRE(plans.size() == candidates.size());
  for (std::size_t i = 1; i < plans.size(); ++i) {
    CHECK(plans[i - 1].goodput.tokens_per_s >= plans[i].goodput.tokens_per_s);
  }
  const LoadMatrix one_layer(1, setup.scenario.model.experts);
  CHECK_THROWS_AS(by_goodput(setup, plus, one_layer, candidates, failures), InputError);
}

TEST_CASE("a policy that writes no checkpoints cannot be valued") {
  const auto setup = setup_with(R"("none")");
  const auto never = policy(setup, "lazarus:checkpoint=none");
  CHECK_THROWS_AS(expected_goodput(setup, never, even_loads(setup), plan_with(setup, {1}),
                                   {.disruptions_per_s = 1e-3, .bulk = {{1, 1}}}),
                  InputError);
}

}  // namespace
}  // namespace bethany
