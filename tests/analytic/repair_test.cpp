// The machine-repair model (Palm 1947; M/M/s//N): N machines fail at rate 1/M each while they run,
// s repairmen repair them at rate 1/R each, first come first served. The number n of machines that
// are down is a birth-death process whose stationary law has a closed form:
//   p(n) ∝ C(N, n) ρ^n                     for n <= s, ρ = R / M
//   p(n) ∝ C(N, n) ρ^n n! / (s! s^(n−s))   for n > s.
#include <fmt/format.h>

#include <cmath>

#include "sim/base/statistics.h"
#include "tests/analytic/scenario.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr int kMachines = 12;
constexpr double kMtbf = 10;   // hours
constexpr double kRepair = 3;  // hours

/// The mean number of machines that run.
double mean_running(int repairmen) {
  double sum = 0;
  double running = 0;
  double term = 1;  // p(n) / p(0)
  for (int n = 0; n <= kMachines; ++n) {
    sum += term;
    running += term * (kMachines - n);
    term *= (kMachines - n) / kMtbf / (std::min(n + 1, repairmen) / kRepair);
  }
  return running / sum;
}

TEST_CASE("few repairmen: nodes are there as Palm's machine-repair model says") {
  // Nobody waits: availability is M / (M + R).
  REQUIRE(mean_running(kMachines) / kMachines == Approx(kMtbf / (kMtbf + kRepair)));
  const int repairmen = GENERATE(1, 2, 4, 12);
  constexpr double kHours = 4000;
  const auto scenario = test::small_scenario(
      {.nodes = kMachines,
       .until = fmt::format(R"({{"time": "{}h"}})", kHours),
       .trace = fmt::format(R"({{"generator": "repair-shop", "nodes": {}, "mtbf": "{}h",
                                "repair": "{}h", "repairmen": {}, "length": "{}h"}})",
                            kMachines, kMtbf, kRepair, repairmen, kHours),
       .cost = R"("step": "60s")",
       .policies = R"("ds": {"preset": "ds", "membership": {"kind": "eager"}})"});
  std::vector<double> running;
  std::vector<double> losses;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto outcome = test::replayed(scenario, "ds", seed);
    REQUIRE(outcome.run.feasible);
    const auto absent =
        outcome.run.ledger.unavailable[static_cast<std::size_t>(Unavailable::absent)];
    running.push_back(kMachines * (1 - static_cast<double>(absent) /
                                           static_cast<double>(outcome.run.ledger.total)));
    losses.push_back(static_cast<double>(outcome.trace.find("losses")->integer));
  }
  const double expected = mean_running(repairmen);
  const Interval there = mean_interval(running, 0.999);
  const Interval lost = mean_interval(losses, 0.999);
  CAPTURE(repairmen, expected, mean(running), mean(losses));
  CHECK(there.low < expected);
  CHECK(expected < there.high);
  // The interval is narrow enough to tell the law from that of a repairman more.
  if (repairmen < 4) CHECK(there.high < mean_running(repairmen + 1));
  const double rate = expected / kMtbf * kHours;  // only machines that run fail
  CHECK(lost.low < rate);
  CHECK(rate < lost.high);
}

}  // namespace
}  // namespace bethany
