// The rows `ideal` and `clairvoyant` are upper bounds of every policy they stand beside, on random
// scenarios: clusters, traces, costs, ends of the run, starts, slow nodes.
#include <fmt/format.h>

#include "analysis/metric.h"
#include "sim/base/random.h"
#include "sim/study/replay.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

template <class T>
T pick(Rng& rng, const std::vector<T>& from) {
  return from[static_cast<std::size_t>(rng.below(from.size()))];
}

std::string random_trace(Rng& rng) {
  const auto seconds = [&](std::uint64_t low, std::uint64_t high) {
    return fmt::format("{}s", low + rng.below(high - low));
  };
  const auto at_end = pick<std::string>(rng, {"hold", "stop", "repeat"});
  if (rng.below(3) == 0) {
    return fmt::format(R"({{"generator": "spot", "length": "{}", "at_end": "{}"}})",
                       seconds(2000, 20000), at_end);
  }
  return fmt::format(
      R"({{"generator": "poisson", "nodes": {}, "mtbf": "{}", "mttr": "{}", "length": "{}",
           "at_end": "{}"}})",
      4 + rng.below(14), seconds(600, 20000), seconds(30, 2000), seconds(2000, 20000), at_end);
}

/// A step a node count; with `monotone` more nodes train no slower.
std::string random_costs(Rng& rng, bool monotone) {
  std::string steps;
  if (monotone) {
    steps = fmt::format("\"{}ms\"", 200 + rng.below(4000));
  } else {
    for (int n = 1; n <= 12; ++n) {
      steps += fmt::format("{}\"{}\": \"{}ms\"", n == 1 ? "{" : ", ", n, 200 + rng.below(4000));
    }
    steps += "}";
  }
  const auto duration = [&](std::uint64_t most) { return fmt::format("{}s", rng.below(most)); };
  return fmt::format(
      R"({{"model": "fixed", "step": {}, "checkpoint": "{}", "detection": "{}", "planning": "{}",
           "communicator": "{}", "transfer": "{}", "reschedule": "{}", "process_start": "{}",
           "group_init": "{}", "load": "{}"}})",
      steps, duration(30), duration(40), duration(10), duration(60), duration(60), duration(60),
      duration(90), duration(60), duration(60));
}

std::string random_scenario(Rng& rng, bool monotone) {
  const auto until = pick<std::string>(
      rng, {R"({"time": "9000s"})", R"({"samples": 20000})", R"({"tokens": 3000000})"});
  const auto start = pick<std::string>(rng, {"warm", "cold"});
  return fmt::format(
      R"({{"seed": {}, "model": "gpt-s", "training": {{"until": {}, "start": "{}"}},
           "cluster": {{"nodes": {}, "slots_per_gpu": 6, "startup_delay": "{}s"}},
           "trace": {}, "cost": {}}})",
      rng.below(1000), until, start, 4 + rng.below(8), pick<int>(rng, {0, 0, 30, 200}),
      random_trace(rng), random_costs(rng, monotone));
}

void check_bounds(std::uint64_t number, bool monotone) {
  Rng rng = RngStreams(5, number).stream("bounds");
  const auto text = random_scenario(rng, monotone);
  INFO("case " << number << ": " << text);
  const auto setup = make_setup(parse_json(text, "case"));
  std::vector<std::string> names = {
      "lazarus",    "ds", "ds-ft", "lazarus:membership=eager", "lazarus:on_loss=restart",
      "clairvoyant"};
  if (monotone) names.push_back("ideal");
  const auto runs = compare(setup, choose_policies(setup, names), 1);
  for (const auto& bound : runs) {
    if (!bound.is_bound) continue;
    for (const auto& run : runs) {
      if (run.is_bound || !run.feasible) continue;
      INFO(run.policy << " beside " << bound.policy << ": " << bound.reason);
      REQUIRE(bound.feasible);
      const double rate = *metric_value("goodput_tokens_per_s", bound);
      // A bound that ends with the very sample that others end with differs by rounding only.
      CHECK(*metric_value("goodput_tokens_per_s", run) <= rate * (1 + 1e-9));
      if (run.horizon == bound.horizon) CHECK(run.samples <= bound.samples);
    }
    CHECK(bound.ledger.sum() == bound.ledger.total);
  }
}

TEST_CASE("no policy beats the clairvoyant bound, whatever more nodes cost") {
  for (std::uint64_t i = 0; i < 300; ++i) check_bounds(i, false);
}

TEST_CASE("no policy beats either bound where more nodes train no slower") {
  for (std::uint64_t i = 1000; i < 1300; ++i) check_bounds(i, true);
}

TEST_CASE("a run that ends within a step, far beyond its last token, does not beat the bound") {
  check_bounds(4084, true);
}

TEST_CASE("no policy beats the bounds on very many scenarios", "[.slow]") {
  for (std::uint64_t i = 2000; i < 12'000; ++i) check_bounds(i, i % 2 == 0);
}

}  // namespace
}  // namespace bethany
