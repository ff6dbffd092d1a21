#include "sim/study/planning/plan.h"

#include <cmath>

#include "analysis/metric.h"
#include "sim/base/error.h"
#include "sim/study/replicate.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Ten nodes that fail at a constant rate; every duration is a key.
JsonNode constant_rate() {
  return parse_json(R"({
    "model": "gpt-s", "training": {"until": {"time": "20h"}, "start": "warm"},
    "cluster": {"nodes": 10, "slots_per_gpu": 6, "startup_delay": "5min"},
    "trace": {"generator": "poisson", "nodes": 10, "mtbf": "10h", "mttr": "1ms", "length": "20h"},
    "routing": {"generator": "uniform"},
    "cost": {"model": "fixed", "step": "1s", "checkpoint": "20s", "detection": "15s",
             "communicator": "30s", "process_start": "60s"}})",
                    "test");
}

TEST_CASE("the checkpoint interval that is found is Daly's, where Daly's assumptions hold") {
  auto tree = constant_rate();
  apply_set(tree, "cluster.startup_delay=0s");
  const auto answer =
      plan_checkpoint(tree, {.policies = {"lazarus:on_loss=restart"}, .replications = 40});
  const auto& result = *answer.json.find("answer");
  const double daly = result.find("daly_s")->real;
  // About an hour between losses and 20 s a write: sqrt(2 · 20 · 3600) is 380 s.
  CHECK(daly > 250);
  CHECK(daly < 500);
  // Its place on the curve is flat: goodput there is within 1 % of the best.
  CHECK(static_cast<double>(result.find("flat_low_s")->integer) < daly * 1.15);
  CHECK(static_cast<double>(result.find("flat_high_s")->integer) > daly / 1.15);
  CHECK(answer.json.find("rows")->items.size() == answer.table.rows().size());
  REQUIRE(answer.figure.has_value());
  CHECK(answer.figure->data.front().rows.size() == answer.table.rows().size());
}

TEST_CASE("answers do not depend on the number of threads") {
  const auto tree = constant_rate();
  const auto one = plan_fault_threshold(tree, {.policies = {"lazarus"}, .replications = 6});
  const auto four =
      plan_fault_threshold(tree, {.policies = {"lazarus"}, .replications = 6, .threads = 4});
  CHECK(to_text(one.json) == to_text(four.json));
  // gpt-s has 8 experts: 60 slots hold each 7 times.
  CHECK(one.json.find("rows")->items.size() == 7);
}

TEST_CASE("at the break-even the policies are equal, and on its sides they are not") {
  const auto tree = constant_rate();
  const PlanOptions options{.policies = {"lazarus", "lazarus:on_loss=restart"},
                            .replications = 20,
                            .key = "cost.communicator",
                            .low = "1s",
                            .high = "30min"};
  const auto answer = plan_breakeven(tree, options);
  const auto& result = *answer.json.find("answer");
  REQUIRE(result.find("value")->kind == JsonNode::Kind::real);
  const double value = result.find("value")->real;
  CHECK(result.find("better_above")->text == "lazarus:on_loss=restart");
  const auto ratio_at = [&](double seconds) {
    auto own = tree;
    apply_set(own, "cost.communicator=" + std::to_string(std::llround(seconds * 1000)) + "ms");
    const auto setup = make_setup(own);
    const auto runs =
        replicate(own, setup, choose_policies(setup, options.policies), {.count = 20});
    return 1 / *compare_on_replications(runs)[0].goodput_ratio;
  };
  CHECK(std::abs(ratio_at(value) - 1) < 0.01);
  CHECK(ratio_at(result.find("low")->real * 0.9) > 1);
  CHECK(ratio_at(result.find("high")->real * 1.1) < 1);
  CHECK(result.find("low")->real <= value);
  CHECK(result.find("high")->real >= value);
}

TEST_CASE("without a crossing the answer says who is better throughout") {
  const auto answer = plan_breakeven(constant_rate(), {.policies = {"lazarus", "ds"},
                                                       .replications = 5,
                                                       .key = "cost.checkpoint",
                                                       .low = "1s",
                                                       .high = "60s"});
  CHECK(answer.json.find("answer")->find("value")->kind == JsonNode::Kind::null);
  CHECK(answer.text.front() == "lazarus has more goodput than ds everywhere in the range.");
}

TEST_CASE("a range is of one kind and not empty, and two policies are compared") {
  PlanOptions options{.policies = {"lazarus", "ds"}, .key = "trace.mtbf", .low = "1h", .high = "9"};
  CHECK_THROWS_AS(plan_breakeven(constant_rate(), options), InputError);
  options.high = "30min";
  CHECK_THROWS_AS(plan_breakeven(constant_rate(), options), InputError);
  options.high = "9h";
  options.policies = {"ds", "ds"};
  CHECK_THROWS_AS(plan_breakeven(constant_rate(), options), InputError);
}

TEST_CASE("when nothing fails the finish is the tokens by the speed, and the bill the hours") {
  auto tree = constant_rate();
  apply_set(tree, "trace=none");
  // 10 nodes, 1 sequence each of 1,024 tokens a step of 1 s unless the scenario says otherwise.
  apply_set(tree, "training.sequence_length=1000");
  apply_set(tree, R"(training.batch={"mode": "global", "sequences": 10, "accumulation": 1})");
  apply_set(tree, R"(cluster.node_type={"base": "rtx3090-100g", "usd_per_hour": 3.6})");
  const auto answer = plan_finish(tree, {.policies = {"lazarus:checkpoint=none:rebalance=never"},
                                         .replications = 2,
                                         .tokens = 10'000'000});
  const auto& p50 = *answer.json.find("answer")->find("P50");
  CHECK(p50.find("finish_s")->real == 1000);
  CHECK(p50.find("cost_usd")->real == Approx(10 * 1000 * 3.6 / 3600));
}

TEST_CASE(
    "spares are machines of the generator that step in at once, or after the start-up delay") {
  const auto tree = constant_rate();
  const auto hot = plan_spares(tree, {.policies = {"ds"}, .replications = 6, .most = 2});
  const auto cold =
      plan_spares(tree, {.policies = {"ds"}, .replications = 6, .most = 2, .cold = true});
  const auto goodput = [](const PlanAnswer& answer, std::size_t row) {
    return answer.json.find("rows")->items[row].find("goodput_tokens_per_s")->find("mean")->real;
  };
  CHECK(hot.json.find("rows")->items[2].find("machines")->integer == 12);
  CHECK(goodput(hot, 2) > goodput(cold, 2));
  auto file = tree;
  apply_set(file, std::string("trace={\"file\": \"") + BETHANY_SOURCE_DIR +
                      "/traces/samples/spot-sample.jsonl\"}");
  CHECK_THROWS_AS(plan_spares(file, {.policies = {"ds"}}), InputError);
}

}  // namespace
}  // namespace bethany
