// Daly's expectation (daly.h) over a grid of failure rates, checkpoint writes and restarts, through
// the whole program: scenario text, generator, spares that step in at once, job, summary.
#include <fmt/format.h>

#include "sim/base/statistics.h"
#include "tests/analytic/daly.h"
#include "tests/analytic/scenario.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr int kNodes = 4;
constexpr int kSegments = 6;
constexpr int kStepsPerSegment = 20;
constexpr int kStep = 15;

TEST_CASE("the whole program takes Daly's expected time over a grid of rates and costs") {
  const double mtbf = GENERATE(400.0, 1500.0, 8000.0);
  const auto [write, restart, detection] =
      GENERATE(std::array{5, 20, 0}, std::array{40, 20, 30}, std::array{5, 150, 30},
               std::array{40, 150, 0}, std::array{0, 0, 0});
  const test::DalySetting setting = {.mtbf = mtbf,
                                     .detection = static_cast<double>(detection),
                                     .restart = static_cast<double>(restart),
                                     .write = static_cast<double>(write),
                                     .work = kStepsPerSegment * kStep,
                                     .segments = kSegments};
  const double expected = test::expected_seconds(setting);
  // A member is lost at rate 4 / (4 · mtbf); six spares, back after a second, never run out.
  const auto scenario = test::small_scenario(
      {.nodes = kNodes,
       .until = fmt::format(R"({{"samples": {}}})", kSegments * kStepsPerSegment * kNodes),
       .trace = fmt::format(R"({{"generator": "poisson", "nodes": {}, "mtbf": "{}s", "mttr": "1s",
                                "repair": "fixed", "length": "{:.0f}s", "at_end": "stop",
                                "cap": {{"rule": "hot-surplus"}}}})",
                            kNodes + 6, kNodes * mtbf, 20 * expected),
       .cost = fmt::format(R"("step": "{}s", "checkpoint": "{}s", "detection": "{}s",
                              "process_start": "{}s")",
                           kStep, write, detection, restart),
       .policies = fmt::format(R"("ds": {{"preset": "ds",
                                  "checkpoint": {{"kind": "steps", "every": {}}}}})",
                               kStepsPerSegment)});
  std::vector<double> times;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const auto run = test::replayed(scenario, "ds", seed).run;
    REQUIRE(run.feasible);
    REQUIRE(run.samples == kSegments * kStepsPerSegment * kNodes);
    times.push_back(to_seconds(run.horizon));
  }
  const Interval interval = mean_interval(times, 0.999);
  CAPTURE(mtbf, write, restart, detection, expected, mean(times), interval.low, interval.high);
  CHECK(interval.low < expected);
  CHECK(expected < interval.high);
}

}  // namespace
}  // namespace bethany
