#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "sim/base/error.h"
#include "sim/model/routing_source.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

RoutingLoad generate(const std::string& options, const RoutingShape& shape,
                     std::uint64_t seed = 1) {
  const auto node = parse_json(options, "s.json");
  ObjectReader reader(node, "/routing");
  return read_routing_source(reader)->generate(shape, RngStreams(seed, 0));
}

std::string workload(int number, const std::string& options = "") {
  return fmt::format(R"({{"generator":"W{}"{}}})", number, options.empty() ? "" : "," + options);
}

double share(std::int64_t part) {
  return static_cast<double>(part) / static_cast<double>(kLoadTotal);
}

/// The experts with more (or less) than an even share, and what they have together.
struct Group {
  std::vector<int> experts;
  double together = 0;
};

Group above_even(const RoutingLoad& load, std::int64_t step, int layer) {
  Group group;
  const auto row = load.shares_at(step).row(layer);
  for (int e = 0; e < load.experts(); ++e) {
    const double own = share(row[static_cast<std::size_t>(e)]);
    if (own * load.experts() < 1.001) continue;
    group.experts.push_back(e);
    group.together += own;
  }
  return group;
}

const RoutingShape kShape{.layers = 6, .experts = 16, .top_k = 2};

TEST_CASE("W0 is balanced") {
  CHECK(generate(workload(0), kShape).shares_at(0) ==
        generate(R"({"generator":"uniform"})", kShape).shares_at(0));
}

TEST_CASE("W1 heats a random set of its own in each layer") {
  const auto load = generate(workload(1), kShape);
  CHECK(load.entries().size() == 1);
  bool differ = false;
  for (int layer = 0; layer < kShape.layers; ++layer) {
    const auto hot = above_even(load, 0, layer);
    CHECK(hot.experts.size() == 4);
    CHECK(hot.together == Approx(0.75).epsilon(1e-6));
    differ = differ || hot.experts != above_even(load, 0, 0).experts;
  }
  CHECK(differ);
  const auto few = generate(workload(1, R"("hot_experts":1,"hot_share":0.9)"), kShape);
  CHECK(above_even(few, 0, 3).together == Approx(0.5));  // no more than 1/top_k
  CHECK_THROWS_WITH(generate(workload(1, R"("hot_experts":17)"), kShape),
                    Catch::Contains("routing generator 'W1': 'hot_experts' is 17"));
}

TEST_CASE("W2 heats one rank's neighbours, W3 as many experts spread, the same in every layer") {
  std::map<int, int> ranks;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto rank = generate(workload(2), kShape, seed);
    const auto hot = above_even(rank, 0, 0);
    REQUIRE(hot.experts.size() == 4);
    CHECK(hot.experts[0] % 4 == 0);
    CHECK(hot.experts[3] == hot.experts[0] + 3);
    CHECK(hot.together == Approx(0.75).epsilon(1e-6));
    ++ranks[hot.experts[0]];
    const auto spread = above_even(generate(workload(3), kShape, seed), 0, 0);
    REQUIRE(spread.experts.size() == 4);
    for (std::size_t i = 1; i < 4; ++i) CHECK(spread.experts[i] == spread.experts[i - 1] + 4);
    CHECK(spread.together == Approx(0.75).epsilon(1e-6));
    CHECK(above_even(rank, 0, 5).experts == hot.experts);
  }
  CHECK(ranks.size() == 4);
  CHECK_THROWS_WITH(generate(workload(2, R"("ranks":3)"), kShape),
                    Catch::Contains("16 experts are not divisible by 'ranks' 3"));
}

TEST_CASE("W4 is refused by name, with the reason") {
  CHECK_THROWS_WITH(generate(workload(4), kShape),
                    Catch::Contains("s.json:1: /routing/generator: W4 (source-ragged) cannot be "
                                    "said with shares of experts"));
}

TEST_CASE("W5 gives one rank's experts nothing") {
  const auto load = generate(workload(5), kShape);
  const auto row = load.shares_at(0).row(2);
  CHECK(std::count(row.begin(), row.end(), 0) == 4);
  CHECK(above_even(load, 0, 2).together == Approx(1));
  CHECK_THROWS_WITH(generate(workload(5, R"("ranks":2)"), {.layers = 1, .experts = 4, .top_k = 3}),
                    Catch::Contains("a token goes to 3 experts, but only 2 have any"));
}

TEST_CASE("W6 moves the hot rank on at every change") {
  const auto load = generate(workload(6, R"("every":10,"until_step":70)"), kShape);
  CHECK(load.entries().size() == 8);
  for (std::int64_t step = 0; step < 70; step += 10) {
    const int now = above_even(load, step, 1).experts.front();
    CHECK(above_even(load, step + 9, 1).experts.front() == now);
    CHECK(above_even(load, step + 10, 1).experts.front() == (now + 4) % 16);
  }
}

TEST_CASE("W7 is balanced but for bursts of a new hot set") {
  const auto load = generate(workload(7, R"("period":100,"length":20,"until_step":420)"), kShape);
  std::vector<std::int64_t> steps;
  for (const auto& entry : load.entries()) steps.push_back(entry.step);
  CHECK(steps == std::vector<std::int64_t>{0, 100, 120, 200, 220, 300, 320, 400, 420});
  bool differ = false;
  for (const std::int64_t start : {100, 200, 300, 400}) {
    CHECK(above_even(load, start - 1, 0).experts.empty());
    CHECK(above_even(load, start + 19, 0).experts.size() == 4);
    CHECK(above_even(load, start + 20, 0).experts.empty());
    differ = differ || above_even(load, start, 0).experts != above_even(load, 100, 0).experts;
  }
  CHECK(differ);
  CHECK_THROWS_WITH(generate(workload(7, R"("length":500)"), kShape),
                    Catch::Contains("a burst must be over before the next begins"));
}

TEST_CASE("a workload comes from its name, the seed and the step alone") {
  for (const int number : {1, 2, 3, 5, 6, 7}) {
    INFO("W" << number);
    const auto load = generate(workload(number), kShape, 5);
    const auto fewer = generate(workload(number), {.layers = 2, .experts = 16, .top_k = 2}, 5);
    for (std::size_t i = 0; i < load.entries().size(); ++i) {
      const auto row = load.entries()[i].shares.row(1);
      const auto same = fewer.entries()[i].shares.row(1);
      CHECK(std::equal(row.begin(), row.end(), same.begin(), same.end()));
    }
  }
}

/// A symmetric Dirichlet share of n experts with concentration a has mean 1/n and variance
/// (n-1) / (n^2 (n a + 1)).
TEST_CASE("dirichlet has the variance of its concentration") {
  for (const double concentration : {0.2, 1.0, 8.0}) {
    const auto load =
        generate(fmt::format(R"({{"generator":"dirichlet","concentration":{}}})", concentration),
                 {.layers = 4000, .experts = 8, .top_k = 1});
    CHECK(load.entries().size() == 1);
    double squares = 0;
    for (int layer = 0; layer < load.layers(); ++layer) {
      for (const auto part : load.shares_at(0).row(layer)) {
        squares += std::pow(share(part) - 0.125, 2);
      }
    }
    const double expected = 7.0 / (64 * (8 * concentration + 1));
    INFO(concentration);
    CHECK(squares / (8.0 * load.layers()) == Approx(expected).epsilon(0.05));
  }
}

TEST_CASE("dirichlet draws once, or anew at every change; none has more than 1/top_k") {
  const RoutingShape shape{.layers = 3, .experts = 8, .top_k = 4};
  const auto load = generate(
      R"({"generator":"dirichlet","concentration":0.01,"every":100,"until_step":300})", shape);
  CHECK(load.entries().size() == 4);
  CHECK(load.entries()[0].shares != load.entries()[1].shares);
  for (const auto& entry : load.entries()) {
    for (const auto part : entry.shares.values) CHECK(share(part) <= 0.25 + 1e-9);
  }
}

// The published statistics of the public log that zipf-drift follows: 32 experts, top-2, 24 layers.
// "fitted": the options were chosen to meet them.
const std::string kFitted =
    R"({"exponent":0.2,"cutoff":3.5,"spread":0.5,"drift":0.65,"half_life":275,"uniform_steps":10})";

struct Shares {
  double top1 = 0, top2 = 0, top8 = 0, max_over_mean = 0;
};

constexpr int kSeeds = 20;

const std::vector<RoutingLoad>& fitted() {
  static const auto loads = [] {
    std::vector<RoutingLoad> made;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      made.push_back(generate(kFitted, {.layers = 24, .experts = 32, .top_k = 2}, seed));
    }
    return made;
  }();
  return loads;
}

Shares mean_shares(std::int64_t step) {
  Shares mean;
  const double weight = 1.0 / (kSeeds * 24);
  for (const auto& load : fitted()) {
    for (int layer = 0; layer < 24; ++layer) {
      const auto row = load.shares_at(step).row(layer);
      std::vector<std::int64_t> sorted(row.begin(), row.end());
      std::sort(sorted.rbegin(), sorted.rend());
      const auto top = [&sorted](int count) {
        return share(std::accumulate(sorted.begin(), sorted.begin() + count, std::int64_t{0}));
      };
      mean.top1 += weight * top(1);
      mean.top2 += weight * top(2);
      mean.top8 += weight * top(8);
      mean.max_over_mean += weight * top(1) * 32;
    }
  }
  return mean;
}

double mean_distance(std::int64_t from, std::int64_t to) {
  double sum = 0;
  for (const auto& load : fitted()) {
    const auto& a = load.shares_at(from).values;
    const auto& b = load.shares_at(to).values;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(share(a[i]) - share(b[i]));
  }
  return sum / 2 / 24 / kSeeds;
}

TEST_CASE("fitted zipf-drift has the published shares of the hottest experts") {
  // Iteration → top-1, top-2, top-8, max/mean. The log's own shares wander; a stationary law stays
  // at their mean, so each iteration is met more loosely than the mean of all.
  const std::map<std::int64_t, Shares> published = {{101, {.38, .65, .99, 12.1}},
                                                    {201, {.33, .53, .95, 10.6}},
                                                    {501, {.28, .45, .86, 9.1}},
                                                    {1001, {.33, .51, .89, 10.5}},
                                                    {5001, {.39, .59, .91, 12.6}}};
  Shares sum, published_sum;
  const auto add = [](Shares& to, const Shares& from) {
    to.top1 += from.top1;
    to.top2 += from.top2;
    to.top8 += from.top8;
    to.max_over_mean += from.max_over_mean;
  };
  for (const auto& [iteration, expected] : published) {
    const auto found = mean_shares(iteration - 1);
    INFO(iteration);
    CHECK(found.top1 == Approx(expected.top1).margin(.07));
    CHECK(found.top2 == Approx(expected.top2).margin(.13));
    CHECK(found.top8 == Approx(expected.top8).margin(.08));
    CHECK(found.max_over_mean == Approx(expected.max_over_mean).margin(2.3));
    add(sum, found);
    add(published_sum, expected);
  }
  CHECK(sum.top1 / 5 == Approx(published_sum.top1 / 5).margin(.03));
  CHECK(sum.top2 / 5 == Approx(published_sum.top2 / 5).margin(.03));
  CHECK(sum.top8 / 5 == Approx(published_sum.top8 / 5).margin(.02));
  CHECK(sum.max_over_mean / 5 == Approx(published_sum.max_over_mean / 5).margin(.8));
  const auto beginning = mean_shares(0);
  CHECK(beginning.top1 == Approx(.05).margin(.01));
  CHECK(beginning.top8 == Approx(.32).margin(.02));
}

TEST_CASE("fitted zipf-drift moves as the published log does: early, then hardly") {
  // Lags 100, 200, 400. Of about 0.02 that the log shows late, most is sampling of its tokens,
  // which shares do not have.
  const std::map<std::int64_t, std::vector<double>> published = {
      {101, {.29, .35, .41}}, {501, {.10, .14, .17}}, {1001, {.03, .04, .06}}};
  const std::vector<std::int64_t> lags = {100, 200, 400};
  for (const auto& [iteration, distances] : published) {
    for (std::size_t i = 0; i < lags.size(); ++i) {
      INFO(iteration << " + " << lags[i]);
      const double margin = iteration == 1001 ? .02 : .04;
      CHECK(mean_distance(iteration - 1, iteration - 1 + lags[i]) ==
            Approx(distances[i]).margin(margin));
    }
  }
  CHECK(mean_distance(3000, 3400) < .02);
}

TEST_CASE("zipf-drift: the uniform beginning must end before the first change") {
  CHECK_THROWS_WITH(generate(R"({"uniform_steps":100})", kShape),
                    Catch::Contains("uniform_steps: must be below 'every', 100"));
  const auto load = generate(R"({"uniform_steps":10})", kShape);
  const auto plain = generate("{}", kShape);
  CHECK(load.shares_at(10) == plain.shares_at(0));
  CHECK(load.shares_at(5000) == plain.shares_at(5000));
}

}  // namespace
}  // namespace bethany
