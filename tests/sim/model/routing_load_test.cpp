#include "sim/model/routing_load.h"

#include <rapidcheck.h>

#include <numeric>

#include "sim/base/int128.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using Numbers = std::vector<std::int64_t>;

Numbers split(std::int64_t total, const Numbers& weights) {
  Numbers parts(weights.size());
  split_by_largest_remainder(total, weights, parts);
  return parts;
}

RoutingLoad::Entry entry(std::int64_t step, const Numbers& loads) {
  LoadMatrix matrix(1, static_cast<int>(loads.size()));
  matrix.values = loads;
  return {.step = step, .shares = matrix};
}

Numbers first_row(const LoadMatrix& matrix) {
  const auto row = matrix.row(0);
  return {row.begin(), row.end()};
}

TEST_CASE("a total is split by largest remainder, ties to the lowest index") {
  CHECK(split(10, {1, 1, 1}) == Numbers{4, 3, 3});
  CHECK(split(11, {1, 1, 1}) == Numbers{4, 4, 3});
  // 7 · (1, 2, 4) / 7 is exact; 8 · w / 7 = 1.14, 2.29, 4.57: the last has the largest remainder.
  CHECK(split(7, {1, 2, 4}) == Numbers{1, 2, 4});
  CHECK(split(8, {1, 2, 4}) == Numbers{1, 2, 5});
  CHECK(split(1, {1, 2, 4}) == Numbers{0, 0, 1});
  CHECK(split(0, {1, 2, 4}) == Numbers{0, 0, 0});
  CHECK(split(5, {0, 3, 0}) == Numbers{0, 5, 0});
}

TEST_CASE("without any weight a total is split as evenly as possible, first ones more") {
  CHECK(split(8, {0, 0, 0}) == Numbers{3, 3, 2});
  CHECK(split(2, {0, 0, 0}) == Numbers{1, 1, 0});
}

TEST_CASE("weights that sum to a power of two give the same parts as by division") {
  // 16 · w / 16 is exact; 9 · (3, 5, 8) / 16 = 1.6875, 2.8125, 4.5.
  CHECK(split(16, {3, 5, 8}) == Numbers{3, 5, 8});
  CHECK(split(9, {3, 5, 8}) == Numbers{2, 3, 4});
}

TEST_CASE("totals and weights beyond 64 bits of product are split exactly") {
  const std::int64_t big = std::int64_t{1} << 60;
  CHECK(split(big, {big, big, 2 * big}) == Numbers{big / 4, big / 4, big / 2});
  CHECK(split(big + 1, {big - 1, big - 1}) == Numbers{big / 2 + 1, big / 2});
}

TEST_CASE("parts sum to the total and are within one of the exact share") {
  rc::check([] {
    const auto total = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 40);
    const auto weights = *rc::gen::nonEmpty(
        rc::gen::container<Numbers>(rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 40)));
    const auto parts = split(total, weights);
    const Int128 sum = std::accumulate(weights.begin(), weights.end(), Int128{0});
    RC_ASSERT(std::accumulate(parts.begin(), parts.end(), std::int64_t{0}) == total);
    for (std::size_t i = 0; i < parts.size() && sum > 0; ++i) {
      const Int128 floor = Int128{total} * weights[i] / sum;
      RC_ASSERT(Int128{parts[i]} == floor || Int128{parts[i]} == floor + 1);
    }
  });
}

TEST_CASE("parts do not depend on the width of the arithmetic") {
  rc::check([] {
    const auto total = *rc::gen::inRange<std::int64_t>(0, 100'000);
    const auto weights =
        *rc::gen::nonEmpty(rc::gen::container<Numbers>(rc::gen::inRange<std::int64_t>(0, 1'000)));
    Numbers scaled = weights;
    for (auto& weight : scaled) weight *= std::int64_t{1} << 50;  // passes 64 bits of product
    RC_ASSERT(split(total, weights) == split(total, scaled));
  });
}

TEST_CASE("shares are parts of 2^32, whatever the loads sum to") {
  const RoutingLoad load(1, {entry(0, {1, 1, 2}), entry(10, {1, 1, 1})});
  CHECK(first_row(load.shares_at(0)) == Numbers{kLoadTotal / 4, kLoadTotal / 4, kLoadTotal / 2});
  // 2^32 = 3 · 1431655765 + 1: the first gets the one that is left.
  CHECK(first_row(load.shares_at(10)) == Numbers{1431655766, 1431655765, 1431655765});
  const RoutingLoad again(1, {entry(0, first_row(load.shares_at(10)))});
  CHECK(first_row(again.shares_at(0)) == first_row(load.shares_at(10)));
}

TEST_CASE("an entry holds from its step on, the last one for ever") {
  const RoutingLoad load(2, {entry(0, {1, 0}), entry(100, {0, 1}), entry(250, {1, 1})});
  CHECK(load.top_k() == 2);
  CHECK(load.layers() == 1);
  CHECK(load.experts() == 2);
  CHECK(load.entry_at(0) == 0);
  CHECK(load.entry_at(99) == 0);
  CHECK(load.entry_at(100) == 1);
  CHECK(load.entry_at(249) == 1);
  CHECK(load.entry_at(1'000'000'000'000) == 2);
  CHECK(load.next_change(0) == 100);
  CHECK(load.next_change(100) == 250);
  CHECK(load.next_change(250) == INT64_MAX);
}

TEST_CASE("what a policy observes is the mean of the last 50 committed steps") {
  const RoutingLoad load(1, {entry(0, {3, 1}), entry(100, {1, 3})});
  const std::int64_t quarter = kLoadTotal / 4;
  SECTION("uniform before the first step") {
    CHECK(first_row(load.observed(0)) == Numbers{2 * quarter, 2 * quarter});
  }
  SECTION("fewer steps at the beginning") {
    CHECK(first_row(load.observed(1)) == Numbers{3 * quarter, quarter});
    CHECK(first_row(load.observed(100)) == Numbers{3 * quarter, quarter});
  }
  SECTION("steps of both entries in the window") {
    // After 125 steps the window is 75..124: 25 steps of each entry.
    CHECK(first_row(load.observed(125)) == Numbers{2 * quarter, 2 * quarter});
    // After 101: 49 of the first, one of the second: (49 · 3 + 1) / 200 = 0.74.
    CHECK(first_row(load.observed(101)) == Numbers{3178275799, kLoadTotal - 3178275799});
  }
  SECTION("only steps of the second entry") {
    CHECK(first_row(load.observed(150)) == Numbers{quarter, 3 * quarter});
    CHECK(first_row(load.observed(1'000'000'000)) == Numbers{quarter, 3 * quarter});
  }
}

TEST_CASE("equal observations are known without computing them") {
  const RoutingLoad load(1, {entry(0, {3, 1}), entry(100, {1, 3})});
  CHECK(load.observed_equal(0, 0));
  CHECK_FALSE(load.observed_equal(0, 1));
  CHECK(load.observed_equal(1, 100));
  CHECK_FALSE(load.observed_equal(100, 101));
  CHECK_FALSE(load.observed_equal(149, 150));
  CHECK(load.observed_equal(150, 1'000'000));
  for (std::int64_t a = 0; a < 220; ++a) {
    for (const std::int64_t b : {a, a + 1, a + 49, a + 50, a + 51}) {
      if (load.observed_equal(a, b)) CHECK(load.observed(a) == load.observed(b));
    }
  }
}

}  // namespace
}  // namespace bethany
