#include "sim/base/error.h"
#include "tests/sim/cost/cost_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

Duration step_at(const Cost& cost, int nodes) {
  return cost.timer->step({.nodes = nodes, .ranks = nodes, .plan = nullptr, .layers = {}}).total;
}

TEST_CASE("with the fixed model every duration is a key, zero by default") {
  const auto plain = TestCost().make("{\"model\":\"fixed\",\"step\":\"3s\"}");
  const auto& timer = *plain.timer;
  CHECK_FALSE(timer.looks_at_traffic());
  CHECK(step_at(plain, 1) == 3s);
  CHECK(step_at(plain, 100'000) == 3s);
  CHECK(timer.out_of_range_queries() == 0);
  CHECK(timer.checkpoint_write(1'000'000'000, 4) == 0s);
  CHECK(timer.detection() == 0s);
  CHECK(timer.load({.nodes = 1, .total_bytes = 5, .busiest_node_bytes = 5}) == 0s);
  const auto cost = TestCost().make(
      "{\"model\":\"fixed\",\"step\":\"3s\",\"checkpoint\":\"1s\",\"detection\":\"2s\","
      "\"planning\":\"3s\",\"communicator\":\"4s\",\"transfer\":\"5s\",\"reschedule\":\"6s\","
      "\"process_start\":\"7s\",\"group_init\":\"8s\",\"load\":\"9s\","
      "\"rebalance_communicator\":\"10s\"}");
  CHECK(cost.timer->checkpoint_write(0, 4) == 1s);
  CHECK(cost.timer->detection() == 2s);
  CHECK(cost.timer->planning(4) == 3s);
  CHECK(cost.timer->communicator(4) == 4s);
  CHECK(cost.timer->transfer({}) == 5s);
  CHECK(cost.timer->reschedule() == 6s);
  CHECK(cost.timer->process_start() == 7s);
  CHECK(cost.timer->group_init(4) == 8s);
  CHECK(cost.timer->load({}) == 9s);
  CHECK(cost.timer->rebalance_communicator(4) == 10s);
  CHECK(cost.profile.name == "fixed");
  CHECK(cost.profile.sha256.size() == 64);
  CHECK(cost.profile.sha256 != plain.profile.sha256);
}

TEST_CASE("a fixed step by node count is linear between the counts, and nearest outside") {
  const auto cost =
      TestCost().make("{\"model\":\"fixed\",\"step\":{\"10\":\"1s\",\"4\":\"4s\",\"6\":\"1ns\"}}");
  CHECK(step_at(cost, 4) == 4s);
  CHECK(step_at(cost, 5) == 2s + 1ns);  // 2 s + 0.5 ns, half up
  CHECK(step_at(cost, 6) == 1ns);
  CHECK(step_at(cost, 8) == 500ms + 1ns);
  CHECK(step_at(cost, 10) == 1s);
  CHECK(cost.timer->out_of_range_queries() == 0);
  CHECK(step_at(cost, 3) == 4s);
  CHECK(step_at(cost, 11) == 1s);
  CHECK(cost.timer->out_of_range_queries() == 2);
}

TEST_CASE("wrong step durations are refused") {
  const auto make = [](const std::string& step) {
    return TestCost().make("{\"model\":\"fixed\"" + step + "}");
  };
  CHECK_THROWS_WITH(make(""), "s.json:1: /cost: missing key 'step'");
  CHECK_THROWS_WITH(make(",\"step\":\"0s\""),
                    "s.json:1: /cost/step: a step of 0 ns is refused: time would stand still");
  CHECK_THROWS_WITH(make(",\"step\":{\"2\":\"0s\"}"), Catch::Contains("/cost/step/2: a step of 0"));
  CHECK_THROWS_WITH(make(",\"step\":3"), Catch::Contains("expected a quantity with its unit"));
  CHECK_THROWS_WITH(make(",\"step\":{}"), Catch::Contains("at least one node count"));
  for (const char* count : {"0", "-1", "01", "1.5", "x", "", "1000001", "99999999999999999999"}) {
    CHECK_THROWS_WITH(make(",\"step\":{\"" + std::string(count) + "\":\"1s\"}"),
                      Catch::Contains("expected a node count in 1..1000000"));
  }
  CHECK_THROWS_WITH(make(",\"step\":\"1s\",\"steps\":\"1s\""),
                    Catch::Contains("unknown key 'steps'; did you mean 'step'?"));
}

TEST_CASE("measured step times override any model, and nothing else") {
  const auto cost =
      TestCost().make("{\"step_time\":{\"10\":\"0.90s\",\"9\":\"0.91s\"},\"detection\":\"7s\"}");
  CHECK_FALSE(cost.timer->looks_at_traffic());
  CHECK(step_at(cost, 10) == 900ms);
  CHECK(step_at(cost, 9) == 910ms);
  CHECK(cost.timer->out_of_range_queries() == 0);
  CHECK(step_at(cost, 5) == 910ms);
  CHECK(cost.timer->out_of_range_queries() == 1);
  CHECK(cost.timer->detection() == 7s);
  CHECK(cost.timer->process_start() == 50s);
  const auto fixed =
      TestCost().make("{\"model\":\"fixed\",\"step\":\"1s\",\"step_time\":{\"3\":\"5s\"}}");
  CHECK(step_at(fixed, 3) == 5s);
  const auto breakdown = fixed.timer->step({.nodes = 3, .plan = nullptr, .layers = {}});
  REQUIRE(breakdown.terms.size() == 1);
  CHECK(breakdown.terms[0].time == breakdown.total);
  // The whole step is as slow as its slowest rank: 5 s / 0.7, rounded to whole ns.
  CHECK(fixed.timer->step({.nodes = 3, .slowest = 0.7}).total == 7'142'857'143ns);
  CHECK(cost.timer->step({.nodes = 10, .slowest = 0.5}).total == 1800ms);
}

TEST_CASE("unknown cost models are refused with the nearest name") {
  CHECK_THROWS_WITH(TestCost().make("{\"model\":\"analytics\"}"),
                    Catch::Contains("unknown cost model 'analytics'; did you mean 'analytic'?"));
  CHECK_THROWS_WITH(
      TestCost().make("{\"model\":\"calibrated\"}"),
      Catch::Contains(
          "the calibrated model needs a profile with fits, as 'bethany calibrate' writes "
          "it; 'rtx3090-100g' has none"));
}

TEST_CASE("cost keys override the profile's constants") {
  const auto cost = TestCost().make(
      "{\"detection\":\"20s\",\"planning\":\"1s\",\"communicator\":{\"base\":\"5s\","
      "\"per_node\":\"100ms\"},\"rebalance_communicator\":\"3s\","
      "\"migration\":{\"bandwidth\":\"2GB/s\"},\"restart\":{\"reschedule\":\"1min\","
      "\"process_start\":\"40s\",\"group_init\":{\"per_node\":\"1s\"}}}");
  CHECK(cost.timer->detection() == 20s);
  CHECK(cost.timer->planning(1) == 1s);
  CHECK(cost.timer->communicator(10) == 6s);
  CHECK(cost.timer->rebalance_communicator(10) == 3s);
  CHECK(cost.timer->transfer({.busiest_port_bytes = 4'000'000'000}) == 2s);
  CHECK(cost.timer->reschedule() == 1min);
  CHECK(cost.timer->process_start() == 40s);
  CHECK(cost.timer->group_init(10) == 20s);
  CHECK(cost.profile.assumed.empty());
}

TEST_CASE("every constant is echoed, and the echo reads back") {
  JsonNode effective;
  TestCost().make("{\"communicator\":\"10s\"}", &effective);
  CHECK(effective.find("profile")->text == "rtx3090-100g");
  CHECK(to_line(*effective.find("communicator")) == "{\"base\":\"10s\",\"per_node\":\"0s\"}");
  CHECK(effective.find("dense")->find("flop_rate")->text == "35.5TFLOPS");
  CHECK(effective.find("restart")->find("group_init")->find("base")->text == "10s");
  JsonNode again;
  TestCost().make(to_line(effective), &again);
  CHECK(to_line(again) == to_line(effective));
  JsonNode fixed;
  TestCost().make("{\"model\":\"fixed\",\"step\":{\"2\":\"1500ms\"}}", &fixed);
  JsonNode fixed_again;
  TestCost().make(to_line(fixed), &fixed_again);
  CHECK(to_line(fixed_again) == to_line(fixed));
}

TEST_CASE("wrong cost keys are refused by path") {
  const auto make = [](const std::string& cost) { return TestCost().make(cost); };
  CHECK_THROWS_WITH(make("{\"communicator\":{\"bas\":\"1s\"}}"),
                    Catch::Contains("/cost/communicator/bas: unknown key 'bas'; did you mean "
                                    "'base'?"));
  CHECK_THROWS_WITH(make("{\"communicator\":\"soon\"}"),
                    Catch::Contains("s.json:1: /cost/communicator/base: expected a quantity"));
  CHECK_THROWS_WITH(make("{\"restart\":\"75s\"}"), Catch::Contains("expected an object"));
  CHECK_THROWS_WITH(make("{\"step\":\"75s\"}"), Catch::Contains("unknown key 'step'"));
  CHECK_THROWS_WITH(make("{\"all_to_all\":{\"bandwidth_inside\":\"0GB/s\"}}"),
                    Catch::Contains("a bandwidth must be above 0"));
}

}  // namespace
}  // namespace bethany
