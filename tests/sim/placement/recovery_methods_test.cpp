#include <cmath>
#include <numeric>

#include "sim/base/random.h"
#include "sim/base/statistics.h"
#include "sim/placement/recovery_conditions.h"
#include "sim/placement/recovery_sampling.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

/// Host sets as bits, and what looking at every loss set says.
struct Case {
  int nodes = 0;
  std::vector<HostSet> sets;  // minimal
  std::vector<std::uint32_t> masks;
  std::vector<double> rates;
  std::vector<std::int64_t> survivors;  // by losses
  double rated_survival = 0;
  double rated_loss = 0;
};

HostSet random_set(Rng& rng, int nodes) {
  HostSet set;
  for (std::uint64_t i = 1 + rng.below(5); i > 0; --i) {
    set.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(nodes))));
  }
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  return set;
}

void look_at_every_loss_set(Case& at) {
  at.survivors.assign(static_cast<std::size_t>(at.nodes) + 1, 0);
  for (std::uint32_t lost = 0; lost < (1U << at.nodes); ++lost) {
    double weight = 1;
    for (int n = 0; n < at.nodes; ++n) {
      const double rate = at.rates[static_cast<std::size_t>(n)];
      weight *= (lost >> n & 1U) != 0 ? rate : 1 - rate;
    }
    bool alive = true;
    for (const auto mask : at.masks) alive = alive && (mask & ~lost) != 0;
    if (alive) ++at.survivors[static_cast<std::size_t>(__builtin_popcount(lost))];
    (alive ? at.rated_survival : at.rated_loss) += weight;
  }
}

/// The host sets of a random plan of up to 12 nodes; few of the largest, which take the longest.
Case random_case(Rng& rng) {
  Case at;
  at.nodes = 1 + static_cast<int>(rng.below(rng.below(16) == 0 ? 12 : 9));
  std::vector<HostSet> sets;
  for (std::uint64_t i = 1 + rng.below(9); i > 0; --i) sets.push_back(random_set(rng, at.nodes));
  at.sets = minimal_sets(std::move(sets));
  for (const auto& set : at.sets) {
    std::uint32_t mask = 0;
    for (const auto node : set) mask |= 1U << node;
    at.masks.push_back(mask);
  }
  for (int n = 0; n < at.nodes; ++n) {
    at.rates.push_back(rng.below(8) == 0 ? static_cast<double>(rng.below(2)) : rng.unit());
  }
  look_at_every_loss_set(at);
  return at;
}

constexpr ExactMethod kMethods[] = {ExactMethod::automatic, ExactMethod::unions,
                                    ExactMethod::enumeration, ExactMethod::elimination,
                                    ExactMethod::branching};

double loss_of(const Case& at, int k) {
  const auto all = naive::choose(at.nodes, k);
  return static_cast<double>(all - at.survivors[static_cast<std::size_t>(k)]) /
         static_cast<double>(all);
}

/// Most misses of intervals that hold with 95 % each, with a chance of 1e-5 that there are more.
std::int64_t most_misses(std::int64_t intervals) {
  const auto n = static_cast<double>(intervals);
  return static_cast<std::int64_t>(0.05 * n + 4.3 * std::sqrt(0.05 * 0.95 * n));
}

TEST_CASE("on 10,000 random plans every method is exact and the intervals hold") {
  auto rng = RngStreams(3, 0).stream("test");
  constexpr int kPlans = 10'000;
  std::int64_t missed_plain = 0;
  std::int64_t missed_importance = 0;
  std::int64_t missed_rated = 0;
  for (int i = 0; i < kPlans; ++i) {
    const auto at = random_case(rng);
    const int k_max = i % 2 == 0 ? at.nodes : at.nodes / 2;
    const auto end = at.survivors.begin() + k_max + 1;
    for (const auto method : kMethods) {
      const ExactOptions options{.method = method, .work = kExactWork};
      const auto counts = survivor_counts(at.nodes, at.sets, k_max, options);
      REQUIRE(counts.has_value());
      REQUIRE(std::equal(counts->begin(), counts->end(), at.survivors.begin(), end));
      if (method == ExactMethod::unions || method == ExactMethod::enumeration) continue;
      const auto rated = rated_recovery(at.rates, at.sets, options);
      REQUIRE(rated.has_value());
      REQUIRE(std::abs(rated->probability - at.rated_survival) < 1e-12);
      REQUIRE(std::abs(rated->loss - at.rated_loss) < 1e-12);
    }
    const LossSampler sampler(at.nodes, at.sets);
    const int k = i % (at.nodes + 1);
    const auto inside = [&](const SampledLoss& sampled, double loss) {
      return sampled.interval.low <= loss * (1 + 1e-12) && loss <= sampled.interval.high + 1e-12;
    };
    SamplingOptions options{.method = SamplingMethod::plain, .samples = 60, .confidence = 0.95};
    missed_plain +=
        !inside(sampler.uniform(k, options, RngStreams(5, 0).stream("a", i)), loss_of(at, k));
    options.method = SamplingMethod::importance;
    missed_importance +=
        !inside(sampler.uniform(k, options, RngStreams(5, 0).stream("b", i)), loss_of(at, k));
    options.method = SamplingMethod::automatic;
    missed_rated +=
        !inside(sampler.rated(at.rates, options, RngStreams(5, 0).stream("c", i)), at.rated_loss);
  }
  CHECK(missed_plain <= most_misses(kPlans));
  CHECK(missed_importance <= most_misses(kPlans));
  CHECK(missed_rated <= most_misses(kPlans));
  CHECK(missed_plain + missed_importance + missed_rated > 0);  // they are not all of 0..1
}

std::vector<HostSet> windows_on_a_ring(std::int32_t nodes, std::int32_t size) {
  std::vector<HostSet> sets;
  for (std::int32_t first = 0; first < nodes; ++first) {
    sets.emplace_back();
    for (std::int32_t i = 0; i < size; ++i) sets.back().push_back((first + i) % nodes);
    std::sort(sets.back().begin(), sets.back().end());
  }
  return minimal_sets(std::move(sets));
}

/// log C(n, k).
double log_choose(int n, int k) {
  return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
}

TEST_CASE("a ring of pairs has a closed form, in counts and beyond 128 bits") {
  // k of n places on a circle, no two adjacent: n / (n-k) C(n-k, k).
  for (const int nodes : {64, 131, 300, 900}) {
    const auto ring = windows_on_a_ring(nodes, 2);
    for (const auto method : {ExactMethod::automatic, ExactMethod::elimination}) {
      const auto curve = recovery_curve(nodes, ring, nodes, {.method = method, .work = kExactWork});
      REQUIRE(curve.has_value());
      for (int k = 0; k <= nodes; ++k) {
        const double survived = k > nodes / 2
                                    ? 0
                                    : std::exp(std::log(nodes) - std::log(nodes - k) +
                                               log_choose(nodes - k, k) - log_choose(nodes, k));
        REQUIRE(curve->probability[static_cast<std::size_t>(k)] ==
                Approx(survived).epsilon(1e-9).margin(1e-290));
      }
      // Two losses are fatal when they are neighbours.
      CHECK(curve->loss[2] == Approx(2.0 / (nodes - 1)).epsilon(1e-13));
      CHECK(curve->loss[1] == 0.0);
      CHECK(curve->guaranteed_losses == 1);
    }
  }
}

/// Loss sets of the ring without `window` lost in a row, by losses: runs at both ends are tracked.
std::vector<double> ring_survivors(int nodes, int window) {
  std::vector<double> total(static_cast<std::size_t>(nodes) + 1);
  for (int first_run = 0; first_run < window; ++first_run) {
    // The first `first_run` nodes are lost, the next lives; then a line, by the run at its end.
    std::vector<std::vector<double>> by_run(static_cast<std::size_t>(window),
                                            std::vector<double>(total.size()));
    by_run[0][static_cast<std::size_t>(first_run)] = 1;
    for (int node = first_run + 1; node < nodes; ++node) {
      auto next = by_run;
      for (auto& row : next) std::fill(row.begin(), row.end(), 0.0);
      for (std::size_t run = 0; run < by_run.size(); ++run) {
        for (std::size_t k = 0; k < total.size(); ++k) {
          next[0][k] += by_run[run][k];
          if (run + 1 < by_run.size() && k + 1 < total.size()) {
            next[run + 1][k + 1] += by_run[run][k];
          }
        }
      }
      by_run = next;
    }
    for (int run = 0; run + first_run < window; ++run) {
      for (std::size_t k = 0; k < total.size(); ++k) {
        total[k] += by_run[static_cast<std::size_t>(run)][k];
      }
    }
  }
  return total;
}

TEST_CASE("128 experts of three replicas packed on 64 nodes are exact for all losses") {
  // Packed one after another, replicas fill windows of three nodes that wrap around.
  const auto expected = ring_survivors(64, 3);
  for (const auto method :
       {ExactMethod::automatic, ExactMethod::elimination, ExactMethod::branching}) {
    const auto counts =
        survivor_counts(64, windows_on_a_ring(64, 3), 64, {.method = method, .work = kExactWork});
    REQUIRE(counts.has_value());
    for (std::size_t k = 0; k <= 64; ++k) {
      CHECK(static_cast<double>((*counts)[k]) == Approx(expected[k]).epsilon(1e-12));
    }
  }
}

TEST_CASE("pairs on 16 nodes recover as Gemini publishes") {
  // papers.md 2.2: m = 2, N = 16: 93.3 % and 80 %.
  std::vector<HostSet> pairs;
  for (std::int32_t n = 0; n < 16; n += 2) pairs.push_back({n, n + 1});
  const auto curve = recovery_curve(16, pairs, 3);
  CHECK(curve->probability[2] == Approx(14.0 / 15));
  CHECK(curve->probability[3] == Approx(0.8));
}

TEST_CASE("95 % intervals hold in 95 % of 400 repetitions and are no wider than they need be") {
  const auto ring = windows_on_a_ring(20, 3);
  const LossSampler sampler(20, ring);
  const std::vector<double> rates(20, 0.05);
  const double uniform_loss = recovery_curve(20, ring, 6)->loss[6];
  const double rated_loss = rated_recovery(rates, ring)->loss;
  constexpr int kRepetitions = 400;
  for (const auto method : {SamplingMethod::plain, SamplingMethod::importance}) {
    const SamplingOptions options{.method = method, .samples = 2000, .confidence = 0.95};
    for (const bool rated : {false, true}) {
      const double loss = rated ? rated_loss : uniform_loss;
      int held = 0;
      double width = 0;
      double mean = 0;
      for (int i = 0; i < kRepetitions; ++i) {
        const auto rng = RngStreams(11, static_cast<std::uint64_t>(i)).stream("coverage");
        const auto sampled =
            rated ? sampler.rated(rates, options, rng) : sampler.uniform(6, options, rng);
        held += sampled.interval.low <= loss && loss <= sampled.interval.high ? 1 : 0;
        width += (sampled.interval.high - sampled.interval.low) / kRepetitions;
        mean += sampled.loss / kRepetitions;
      }
      // Fewer than 361 of 400 have a chance below 1e-4 when each holds with 95 %.
      CHECK(held >= 361);
      // Unbiased: the mean of all 800,000 samples. And as narrow as a normal interval, about.
      const double bound = method == SamplingMethod::plain ? 1
                           : rated                         ? 20 * std::pow(0.05, 3)
                                                           : 20 * (6.0 * 5 * 4) / (20 * 19 * 18);
      const double deviation = std::sqrt(loss * (bound - loss));
      CHECK(mean == Approx(loss).margin(4 * deviation / std::sqrt(2000.0 * kRepetitions)));
      CHECK(width < 1.3 * 2 * 1.96 * deviation / std::sqrt(2000.0));
    }
  }
}

TEST_CASE("losses of the model as rare as 1e-12 are sampled with a small stated error") {
  // 20 disjoint groups of three, rates of 1e-4: 1 - (1 - 1e-12)^20.
  std::vector<HostSet> groups;
  for (std::int32_t n = 0; n < 60; n += 3) groups.push_back({n, n + 1, n + 2});
  const std::vector<double> rates(60, 1e-4);
  const double expected = -std::expm1(20 * std::log1p(-1e-12));
  CHECK(rated_recovery(rates, groups)->loss == Approx(expected).epsilon(1e-12));
  const SamplingOptions options{
      .method = SamplingMethod::automatic, .samples = 20'000, .confidence = 0.9999};
  const auto rated = LossSampler(60, groups).rated(rates, options, Rng(1, 2));
  CHECK(rated.method == "importance-sampling");
  CHECK(rated.interval.low <= expected * (1 + 1e-12));
  CHECK(rated.interval.high >= expected);
  CHECK(rated.interval.high - rated.interval.low < 1e-3 * expected);

  // A ring of 1,000 nodes, five neighbours each: 1000 of C(1000, 5) losses of five are fatal.
  const auto ring = windows_on_a_ring(1000, 5);
  const auto exact = recovery_curve(1000, ring, 7);
  REQUIRE(exact.has_value());
  CHECK(exact->loss[5] == Approx(1000 * std::exp(-log_choose(1000, 5))).epsilon(1e-10));
  CHECK(exact->loss[5] < 1.3e-10);
  const auto sampled = LossSampler(1000, ring).uniform(7, options, Rng(1, 3));
  CHECK(sampled.method == "importance-sampling");
  CHECK(sampled.interval.low <= exact->loss[7]);
  CHECK(sampled.interval.high >= exact->loss[7]);
  CHECK(sampled.interval.high - sampled.interval.low < 0.05 * exact->loss[7]);
}

TEST_CASE("samples depend on the seed alone, and impossible losses have none") {
  const auto ring = windows_on_a_ring(20, 3);
  const LossSampler sampler(20, ring);
  const SamplingOptions options{
      .method = SamplingMethod::plain, .samples = 100'000, .confidence = 0.95};
  CHECK(sampler.uniform(6, options, Rng(1, 2)).loss == sampler.uniform(6, options, Rng(1, 2)).loss);
  CHECK(sampler.uniform(6, options, Rng(1, 2)).loss != sampler.uniform(6, options, Rng(1, 3)).loss);
  const auto none = sampler.uniform(2, {}, Rng(1, 2));
  CHECK(none.loss == 0.0);
  CHECK(none.interval.high == 0.0);
  CHECK(sampler.uniform(20, options, Rng(1, 2)).loss == 1.0);
  const auto never = sampler.rated(std::vector<double>(20, 0.0), {}, Rng(1, 2));
  CHECK(never.interval.high == 0.0);
}

/// P(every set keeps a live node), given which nodes must live or be lost: by brute force.
double survival_given(const Case& at, int k, int node, bool lost) {
  std::int64_t alive = 0;
  std::int64_t all = 0;
  for (std::uint32_t set = 0; set < (1U << at.nodes); ++set) {
    if (__builtin_popcount(set) != k || ((set >> node & 1U) != 0) != lost) continue;
    ++all;
    bool survived = true;
    for (const auto mask : at.masks) survived = survived && (mask & ~set) != 0;
    alive += survived ? 1 : 0;
  }
  return static_cast<double>(alive) / static_cast<double>(all);
}

TEST_CASE("importance is the survival with the node less the survival without it") {
  auto rng = RngStreams(4, 0).stream("test");
  for (int i = 0; i < 60; ++i) {
    const auto at = random_case(rng);
    const auto by_losses = importance_by_losses(at.nodes, at.sets, at.nodes);
    REQUIRE(by_losses.has_value());
    CHECK(by_losses->front().empty());
    CHECK(by_losses->back().empty());
    for (int k = 1; k < at.nodes; ++k) {
      for (int n = 0; n < at.nodes; ++n) {
        const double expected = survival_given(at, k, n, false) - survival_given(at, k, n, true);
        REQUIRE((*by_losses)[static_cast<std::size_t>(k)][static_cast<std::size_t>(n)] ==
                Approx(expected).margin(1e-13));
      }
    }
    // The loss is linear in each rate: its slope is the difference between rates 1 and 0.
    const auto by_rates = importance_by_rates(at.rates, at.sets);
    REQUIRE(by_rates.has_value());
    for (std::size_t n = 0; n < at.rates.size(); ++n) {
      auto dead = at;
      dead.rates[n] = 1;
      dead.rated_loss = dead.rated_survival = 0;
      look_at_every_loss_set(dead);
      auto alive = at;
      alive.rates[n] = 0;
      alive.rated_loss = alive.rated_survival = 0;
      look_at_every_loss_set(alive);
      REQUIRE((*by_rates)[n] == Approx(dead.rated_loss - alive.rated_loss).margin(1e-12));
    }
  }
}

TEST_CASE("sets in terms of domains survive the same losses of whole domains") {
  auto rng = RngStreams(6, 0).stream("test");
  for (int i = 0; i < 300; ++i) {
    const auto at = random_case(rng);
    std::vector<std::int32_t> unit_of;
    for (int n = 0; n < at.nodes; ++n) {
      unit_of.push_back(static_cast<std::int32_t>(rng.below(5)) - 1);
    }
    const auto sets = sets_of_units(at.sets, unit_of);
    for (std::uint32_t lost_units = 0; lost_units < 16; ++lost_units) {
      std::uint32_t lost = 0;
      for (int n = 0; n < at.nodes; ++n) {
        const auto unit = unit_of[static_cast<std::size_t>(n)];
        if (unit >= 0 && (lost_units >> unit & 1U) != 0) lost |= 1U << n;
      }
      const bool survived = std::all_of(at.masks.begin(), at.masks.end(),
                                        [&](std::uint32_t mask) { return (mask & ~lost) != 0; });
      const bool by_units = std::all_of(sets.begin(), sets.end(), [&](const HostSet& set) {
        return std::any_of(set.begin(), set.end(),
                           [&](std::int32_t unit) { return (lost_units >> unit & 1U) == 0; });
      });
      REQUIRE(survived == by_units);
    }
  }
}

}  // namespace
}  // namespace bethany
