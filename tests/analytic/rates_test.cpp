// Mean times between interruptions of a job of many nodes: M = 1 / (nodes · rate), as published.
#include <fmt/format.h>

#include <cmath>

#include "sim/base/statistics.h"
#include "tests/analytic/scenario.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// Interruptions of a job on `nodes` nodes; spares step in at once, so the job always has them all.
std::int64_t interruptions(int nodes, double per_1000_node_days, int days, std::uint64_t seed) {
  const auto scenario = test::small_scenario(
      {.nodes = nodes,
       .until = fmt::format(R"({{"time": "{}d"}})", days),
       .trace = fmt::format(R"({{"generator": "poisson", "nodes": {}, "mtbf": "{:.6f}d",
                                "mttr": "1h", "repair": "fixed", "length": "{}d",
                                "cap": {{"rule": "hot-surplus"}}}})",
                            nodes + 100, 1000 / per_1000_node_days, days),
       .cost = R"("step": "60s")",
       .policies = R"("ds": {"preset": "ds"})"});
  const auto outcome = test::replayed(scenario, "ds", seed);
  REQUIRE(outcome.run.feasible);
  return outcome.run.recovery.disruptions;
}

/// Within 3.3 standard deviations of a Poisson number: 99.9 %.
void check_poisson(std::int64_t count, double expected) {
  CAPTURE(count, expected);
  CHECK(std::abs(static_cast<double>(count) - expected) < 3.3 * std::sqrt(expected));
}

TEST_CASE("RSC-1's 6.5 failures in 1000 node-days: a failure each 1.80 h and each 0.225 h") {
  // Kokolis et al., arXiv 2410.21680: projections for 16,384 and 131,072 GPUs, 8 a node.
  const auto large = interruptions(2048, 6.5, 120, 1);
  check_poisson(large, 120 * 2048 * 6.5e-3);
  CHECK(120 * 24 / static_cast<double>(large) == Approx(1.80).epsilon(0.09));
  const auto huge = interruptions(16'384, 6.5, 12, 2);
  check_poisson(huge, 12 * 16'384 * 6.5e-3);
  CHECK(12 * 24 / static_cast<double>(huge) == Approx(0.225).epsilon(0.1));
}

TEST_CASE("Llama 3's 54 days on 2,048 nodes: 419 unexpected interruptions, one each 3.09 h") {
  std::vector<double> counts;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    counts.push_back(static_cast<double>(interruptions(2048, 3.79, 54, seed)));
  }
  const Interval interval = mean_interval(counts, 0.999);
  CAPTURE(mean(counts));
  CHECK(interval.low < 419);
  CHECK(419 < interval.high);
  CHECK(interval.low < 54 * 24 / 3.09);
  CHECK(54 * 24 / 3.09 < interval.high);
}

}  // namespace
}  // namespace bethany
