// Every statistic of a validation against values worked out by hand.
#include <cmath>
#include <vector>

#include "gpu/validate/errors.h"
#include "gpu/validate/ranking.h"
#include "sim/base/random.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

Setting setting(std::vector<Score> scores) { return {"s", std::move(scores)}; }

TEST_CASE("errors are shares of what was measured, signed and absolute") {
  // +10 %, -20 %, 0, +50 %, -5 %
  const std::vector<Pair> pairs{{1.1, 1}, {0.8, 1}, {3, 3}, {15, 10}, {1.9, 2}};
  const auto summary = summarise(pairs);
  REQUIRE(summary);
  CHECK(summary->points == 5);
  CHECK(summary->unmeasured == 0);
  CHECK(summary->bias == Approx(0).margin(1e-12));  // -20, -5, 0, 10, 50
  CHECK(summary->median == Approx(0.10));           // 0, 5, 10, 20, 50
  CHECK(summary->p90 == Approx(0.2 + 0.6 * 0.3));   // rank 3.6 of 0..4
  CHECK(summary->worst == Approx(0.5));
}

TEST_CASE("what was predicted but not measured is counted, nothing is left out silently") {
  const std::vector<Pair> pairs{{1, 0}, {0, 0}, {2, 1}};
  const auto summary = summarise(pairs);
  REQUIRE(summary);
  CHECK(summary->points == 1);
  CHECK(summary->unmeasured == 1);
  CHECK(summary->worst == Approx(1.0));
  CHECK_FALSE(summarise(std::vector<Pair>{{0, 0}, {1, 0}}));
}

TEST_CASE("skill, sample size, variation and difference follow their formulas") {
  CHECK(skill(0.02, 0.08).value() == Approx(0.75));
  CHECK(skill(0.2, 0.1).value() == Approx(-1));
  CHECK_FALSE(skill(0.2, 0));
  CHECK(sample_size(0.01) == 20);  // (1.96 · 0.01 / 0.05)² = 0.15
  CHECK(sample_size(0.2) == 62);   // 61.47
  CHECK(sample_size(1) == 1537);   // 1536.64
  CHECK(coefficient_of_variation(std::vector<double>{1, 2, 3}) == Approx(0.7413));
  CHECK(coefficient_of_variation(std::vector<double>{9, 10, 11, 10, 900}) == Approx(0.14826));
  CHECK(relative_difference(9, 11) == Approx(0.2));
}

TEST_CASE("a conformal interval is made of order statistics") {
  std::vector<double> errors;
  for (int i = 1; i <= 39; ++i) errors.push_back(i);
  CHECK_FALSE(conformal_interval({errors.begin(), errors.end() - 1}));
  const auto least = conformal_interval(errors);  // 1 of 40 on either side
  REQUIRE(least);
  CHECK(least->low == 1);
  CHECK(least->high == 39);
  errors.clear();
  for (int i = 199; i >= 1; --i) errors.push_back(i);
  const auto more = conformal_interval(errors);  // 5 of 200
  REQUIRE(more);
  CHECK(more->low == 5);
  CHECK(more->high == 195);
}

TEST_CASE("intervals of runs that differ are stretched until they hold another run's errors") {
  // Runs without anything of their own: as if all were one.
  Rng rng = RngStreams(5, 0).stream("test/runs");
  std::vector<std::vector<double>> alike(10);
  std::vector<double> pooled;
  for (auto& run : alike) {
    for (int i = 0; i < 40; ++i) run.push_back(rng.normal());
    pooled.insert(pooled.end(), run.begin(), run.end());
  }
  const auto plain = conformal_interval(pooled);
  const auto same = interval_of_cases(alike);
  REQUIRE(same);
  CHECK(same->high - same->low >= plain->high - plain->low);
  CHECK(same->high - same->low < 1.15 * (plain->high - plain->low));

  // Runs that are each off by something: the share of a further run's errors that is held.
  const auto held = [&rng](int pilots, bool of_runs) {
    int inside = 0;
    int all = 0;
    for (int trial = 0; trial < 400; ++trial) {
      std::vector<std::vector<double>> errors(static_cast<std::size_t>(pilots));
      std::vector<double> together;
      for (auto& run : errors) {
        const double own = rng.normal();
        for (int i = 0; i < 20; ++i) run.push_back(own + 0.5 * rng.normal());
        together.insert(together.end(), run.begin(), run.end());
      }
      const auto interval = of_runs ? interval_of_cases(errors) : conformal_interval(together);
      const double own = rng.normal();
      for (int i = 0; i < 20; ++i, ++all) {
        const double error = own + 0.5 * rng.normal();
        inside += error >= interval->low && error <= interval->high ? 1 : 0;
      }
    }
    return static_cast<double>(inside) / all;
  };
  CHECK(held(10, false) < 0.91);
  CHECK(held(10, true) > 0.92);
  CHECK(held(10, true) < 0.97);

  // An error in the middle is held, also where the interval ends there.
  std::vector<double> tied(50, 0.0);
  std::fill(tied.begin() + 45, tied.end(), 1.0);
  CHECK(interval_of_cases({tied, tied})->high == 1);
  // No stretch helps where all others are equal; too few promise nothing.
  const auto far = interval_of_cases({std::vector<double>(50, 0.0), std::vector<double>(50, 1.0)});
  CHECK(far->high <= 10);
  CHECK_FALSE(interval_of_cases({{1, 2}, {3}}));
}

TEST_CASE("conformal intervals cover 95 % of further errors, whatever their distribution") {
  auto rng = RngStreams(7, 0).stream("coverage");
  const auto draw = [&] { return std::exp(rng.normal()) - 0.3; };  // skewed
  int inside = 0;
  constexpr int kRounds = 4000;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> errors;
    for (int i = 0; i < 119; ++i) errors.push_back(draw());
    const auto interval = conformal_interval(errors);
    REQUIRE(interval);
    const double next = draw();
    inside += next >= interval->low && next <= interval->high ? 1 : 0;
  }
  // 114 of 120 places: exactly 95 %; four standard deviations of 4000 draws are 1.4 %.
  CHECK(std::abs(inside / double(kRounds) - 0.95) < 0.014);
}

TEST_CASE("Kendall's tau counts pairs, ties apart") {
  const std::vector<double> a{1, 2, 3, 4};
  CHECK(kendall_tau(a, std::vector<double>{10, 20, 30, 40}).value() == Approx(1));
  CHECK(kendall_tau(a, std::vector<double>{4, 3, 2, 1}).value() == Approx(-1));
  // One of six pairs turned: (5 - 1) / 6.
  CHECK(kendall_tau(a, std::vector<double>{1, 2, 4, 3}).value() == Approx(4.0 / 6));
  // One tie in b: 5 / sqrt(6 · 5).
  CHECK(kendall_tau(a, std::vector<double>{1, 2, 3, 3}).value() == Approx(5 / std::sqrt(30.0)));
  CHECK_FALSE(kendall_tau(a, std::vector<double>{1, 1, 1, 1}));
  CHECK_FALSE(kendall_tau(std::vector<double>{1}, std::vector<double>{1}));
}

TEST_CASE("ranking judges pairs beyond twice the noise; regret is what following it costs") {
  // Predicted a < b < c; measured b is best, a 5 % slower, c 30 %.
  const std::vector<Setting> settings{
      setting({{"a", 1.0, 1.05, 0, 0}, {"b", 1.1, 1.0, 0, 0}, {"c", 1.2, 1.3, 0, 0}}),
      setting({{"a", 1, 1, 0, 0}, {"b", 2, 2, 0, 0}})};
  const auto fine = rank_policies(settings, 0.02);
  CHECK(fine.pairs == 4);
  CHECK(fine.pairs_apart == 4);
  CHECK(fine.pairs_right == 3);
  REQUIRE(fine.wrong.size() == 1);
  CHECK(fine.wrong[0] == "s: b is 5.0 % faster than a, predicted 10.0 % slower");
  CHECK(fine.tau.value() == Approx((1.0 / 3 + 1) / 2));
  CHECK(fine.regret_worst.value() == Approx(0.05));
  CHECK(fine.regret_mean.value() == Approx(0.025));
  // 5 % (of the mean: 4.9 %) is within twice 3 %.
  const auto coarse = rank_policies(settings, 0.03);
  CHECK(coarse.pairs_apart == 3);
  CHECK(coarse.pairs_right == 3);
  CHECK(coarse.wrong.empty());
  CHECK(coarse.regret_worst.value() == Approx(0.05));  // regret knows no noise
}

TEST_CASE("policies predicted alike but measured apart are not in the right order") {
  const std::vector<Setting> settings{setting({{"a", 1, 1, 0, 0}, {"b", 1, 2, 0, 0}})};
  const auto ranking = rank_policies(settings, 0.01);
  CHECK(ranking.pairs_apart == 1);
  CHECK(ranking.pairs_right == 0);
  CHECK_FALSE(ranking.tau);
}

TEST_CASE("another network turns pairs and changes the best") {
  const std::vector<Setting> settings{
      // At half the network b overtakes a; at twice nothing changes.
      setting({{"a", 1.0, 1, 1.5, 0.8}, {"b", 1.1, 1, 1.2, 1.0}, {"c", 2, 1, 3, 1.5}}),
      setting({{"a", 1, 1, 2, 0.5}, {"b", 2, 1, 4, 1}}),
      setting({{"a", 1, 1, 0, 0}, {"b", 2, 1, 0, 0}})};  // not known
  const auto sensitivity = network_sensitivity(settings);
  CHECK(sensitivity.settings == 2);
  CHECK(sensitivity.pairs == 4);
  CHECK(sensitivity.flipped_half == 1);
  CHECK(sensitivity.flipped_double == 0);
  CHECK(sensitivity.best_changed == 1);
}

}  // namespace
}  // namespace bethany::test
