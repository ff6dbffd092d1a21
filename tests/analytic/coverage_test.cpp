// Intervals hold what they say: 95 % of them contain the truth, in 10,000 experiments each on cases
// whose truth has a closed form. With 10,000 experiments a share of 0.95 is known to ±0.0043 (two
// standard errors), so 0.94..0.96 is what an honest interval reaches.
#include <cmath>
#include <functional>
#include <vector>

#include "sim/base/random.h"
#include "sim/base/statistics.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr int kExperiments = 10'000;

/// The share of experiments whose interval contains `truth`; an empty interval contains it.
double coverage(double truth, const std::function<std::optional<Interval>(Rng&)>& experiment) {
  int held = 0;
  for (int i = 0; i < kExperiments; ++i) {
    Rng rng = RngStreams(11, static_cast<std::uint64_t>(i)).stream("coverage");
    const auto interval = experiment(rng);
    held += !interval || (interval->low <= truth && truth <= interval->high);
  }
  return static_cast<double>(held) / kExperiments;
}

bool honest(double share) { return share >= 0.94 && share <= 0.96; }

struct Pairs {
  std::vector<double> a;
  std::vector<double> b;
};

/// Goodputs of two policies on common traces: both suffer from the same bad trace.
Pairs normal_pairs(Rng& rng, int n) {
  Pairs pairs;
  for (int i = 0; i < n; ++i) {
    const double trace = rng.normal();
    pairs.a.push_back(120 + 15 * trace + 5 * rng.normal());
    pairs.b.push_back(100 + 20 * trace + 5 * rng.normal());
  }
  return pairs;
}

/// The same, skewed to the left as goodputs are: each of a run's disruptions costs an exponential
/// amount, more for one policy than for the other.
Pairs skewed_pairs(Rng& rng, int n, int disruptions) {
  Pairs pairs;
  for (int i = 0; i < n; ++i) {
    pairs.a.push_back(120);
    pairs.b.push_back(100);
    for (int k = 0; k < disruptions; ++k) {
      const double harm = rng.exponential(10.0 / disruptions);
      pairs.a.back() -= harm + rng.exponential(2.0 / disruptions);
      pairs.b.back() -= 1.5 * harm + rng.exponential(3.0 / disruptions);
    }
  }
  return pairs;
}
constexpr double kSkewedRatio = (120 - 10 - 2) / (100 - 15 - 3.0);

TEST_CASE("the t interval of a mean covers it") {
  const double share = coverage(7, [](Rng& rng) -> std::optional<Interval> {
    std::vector<double> values;
    for (int i = 0; i < 10; ++i) values.push_back(7 + 3 * rng.normal());
    return mean_interval(values);
  });
  INFO(share);
  CHECK(honest(share));
}

TEST_CASE("Fieller's interval of a paired ratio covers it") {
  for (const int n : {3, 10, 20}) {
    const double share = coverage(1.2, [n](Rng& rng) {
      const auto pairs = normal_pairs(rng, n);
      return ratio_interval(pairs.a, pairs.b);
    });
    INFO(n << " pairs: " << share);
    CHECK(honest(share));
  }
}

double bootstrap_coverage(int pairs_drawn, int disruptions) {
  return coverage(kSkewedRatio, [=](Rng& rng) {
    const auto pairs = skewed_pairs(rng, pairs_drawn, disruptions);
    Rng draws = RngStreams(rng.next(), 0).stream("bootstrap");
    return bootstrap_ratio_interval(pairs.a, pairs.b, draws, 500);
  });
}

TEST_CASE("both intervals of a paired ratio cover it when goodputs are skewed") {
  const double share = bootstrap_coverage(20, 5);
  INFO("bootstrap: " << share);
  CHECK(honest(share));
  const double fieller = coverage(kSkewedRatio, [](Rng& rng) {
    const auto pairs = skewed_pairs(rng, 20, 5);
    return ratio_interval(pairs.a, pairs.b);
  });
  INFO("Fieller: " << fieller);
  CHECK(honest(fieller));
}

TEST_CASE("where one disaster decides a run, 20 pairs are too few for an honest 95 %") {
  // Known, and said in the README of sim/study: both hold in about 93 of 100 cases then.
  const double share = bootstrap_coverage(20, 1);
  INFO(share);
  CHECK(share > 0.92);
  CHECK(share < 0.95);
}

TEST_CASE("stopping when the interval is narrow costs it little coverage") {
  // As `compare --until-ci 2%`: a look after 10 pairs and after every 10 more. Each look is a
  // chance to stop on an interval that is narrow by luck.
  const double share = coverage(1.2, [](Rng& rng) {
    Pairs pairs;
    std::optional<Interval> interval;
    for (int looks = 0; looks < 20; ++looks) {
      const auto more = normal_pairs(rng, 10);
      pairs.a.insert(pairs.a.end(), more.a.begin(), more.a.end());
      pairs.b.insert(pairs.b.end(), more.b.begin(), more.b.end());
      interval = ratio_interval(pairs.a, pairs.b);
      if (interval && interval->high - interval->low < 2 * 0.02 * 1.2) break;
    }
    return interval;
  });
  INFO(share);
  CHECK(honest(share));
}

TEST_CASE("the exact interval of a probability covers it at least as often as it says") {
  // Exact intervals are conservative: counts are whole, so 95 % cannot be met with equality.
  for (const double truth : {0.5, 0.9, 0.97}) {
    const double share = coverage(truth, [truth](Rng& rng) -> std::optional<Interval> {
      int hits = 0;
      for (int i = 0; i < 60; ++i) hits += rng.unit() < truth;
      return clopper_pearson(hits, 60);
    });
    INFO(truth << ": " << share);
    CHECK(share >= 0.945);
  }
}

TEST_CASE("a ratio by what cannot be told from 0 has no interval") {
  const std::vector<double> a = {1, 2, 3};
  const std::vector<double> b = {-1, 0.5, 1};
  CHECK_FALSE(ratio_interval(a, b).has_value());
}

TEST_CASE("pairs of one ratio have an interval of no width") {
  const std::vector<double> a = {2, 4, 6, 8, 10};
  const std::vector<double> b = {1, 2, 3, 4, 5};
  const auto exact = ratio_interval(a, b);
  REQUIRE(exact.has_value());
  CHECK(exact->low == Approx(2));
  CHECK(exact->high == Approx(2));
  Rng rng = RngStreams(1, 0).stream("bootstrap");
  const auto drawn = bootstrap_ratio_interval(a, b, rng);
  REQUIRE(drawn.has_value());
  CHECK(drawn->low == 2);
  CHECK(drawn->high == 2);
}

}  // namespace
}  // namespace bethany
