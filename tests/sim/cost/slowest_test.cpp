#include "sim/cost/slowest.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sim/base/random.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// A standard normal value (Box and Muller).
double normal(Rng& rng) {
  const double radius = std::sqrt(-2 * std::log(1 - rng.unit()));
  return radius * std::cos(2 * std::numbers::pi * rng.unit());
}

/// The mean of the longest of ranks that vary independently.
double simulated(const std::vector<double>& seconds, double spread, int draws, Rng& rng) {
  double sum = 0;
  for (int i = 0; i < draws; ++i) {
    double most = 0;
    for (const double mean : seconds) most = std::max(most, mean * (1 + spread * normal(rng)));
    sum += most;
  }
  return sum / draws;
}

TEST_CASE("the largest of normal values is where tables have it") {
  CHECK(expected_extreme(1) == 0);
  // H. L. Harter, Biometrika 48, 1961: 0.56419, 1.16296, 1.53875, 1.86748, 2.50759, 3.24144.
  CHECK(expected_extreme(2) == Approx(0.56419).epsilon(0.07));
  CHECK(expected_extreme(5) == Approx(1.16296).epsilon(0.01));
  CHECK(expected_extreme(10) == Approx(1.53875).epsilon(0.01));
  CHECK(expected_extreme(20) == Approx(1.86748).epsilon(0.01));
  CHECK(expected_extreme(100) == Approx(2.50759).epsilon(0.01));
  CHECK(expected_extreme(1000) == Approx(3.24144).epsilon(0.01));
  CHECK(expected_extreme(1'000'000) > expected_extreme(1025));
  CHECK(expected_extreme(1025) > expected_extreme(1024));
}

TEST_CASE("ranks that do not vary are done with the longest") {
  std::vector<double> none;
  CHECK(expected_slowest(none, 0.1) == 0);
  std::vector<double> some{2, 7, 3};
  CHECK(expected_slowest(some, 0) == 7);
  std::vector<double> one{4};
  CHECK(expected_slowest(one, 0.2) == 4);
}

TEST_CASE("equal ranks wait for chance, one among idle ones does not") {
  Rng rng = RngStreams(3, 0).stream("slowest");
  for (const int ranks : {2, 5, 12}) {
    std::vector<double> equal(static_cast<std::size_t>(ranks), 3.0);
    const double wanted = simulated(equal, 0.1, 40'000, rng);
    CHECK(expected_slowest(equal, 0.1) == Approx(wanted).epsilon(0.01));
  }
  std::vector<double> alone{9, 3, 3, 3, 3};
  CHECK(expected_slowest(alone, 0.1) == 9);
  // Never less than the longest, and between the two cases a little less than it should be.
  std::vector<double> uneven{9, 8.5, 8, 7, 4};
  const double wanted = simulated(uneven, 0.1, 40'000, rng);
  CHECK(expected_slowest(uneven, 0.1) < wanted);
  CHECK(expected_slowest(uneven, 0.1) > 0.95 * wanted);
}

}  // namespace
}  // namespace bethany
