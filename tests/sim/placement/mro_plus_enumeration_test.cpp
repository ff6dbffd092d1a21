// mro+ against all placements there are (enumerate_support.h), and the counts of placement.md §3.

#include <fmt/core.h>

#include <array>
#include <chrono>
#include <numeric>

#include "sim/placement/optimality.h"
#include "sim/placement/survival_bound.h"
#include "tests/sim/placement/enumerate_support.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

struct Tally {
  int cases = 0;
  int truncated = 0;
  int mro_not_best = 0;

  bool operator==(const Tally&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Tally& tally) {
  return out << tally.cases << "/" << tally.truncated << "/" << tally.mro_not_best;
}

/// Checks every case of one size: mro+ has, for every k at once, the most that any placement has.
/// `certified` counts proven, enumerated and unknown plans.
Tally check_all(int nodes, int slots, int most_experts = 1000,
                std::array<int, 3>* certified = nullptr) {
  Tally tally;
  for (const auto& counts : naive::all_counts(nodes, slots, most_experts)) {
    INFO("N=" << nodes << " c=" << slots
              << " r=" << Catch::StringMaker<naive::Counts>::convert(counts));
    const auto plan = naive::plan("mro+", nodes, slots, counts);
    const auto ours = naive::survivors(plan);
    const auto best = naive::most_survived(nodes, slots, counts, ours);
    REQUIRE(ours == best);
    const auto sizes = group_representatives(counts, slots);
    const bool truncated =
        std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) > std::int64_t{nodes};
    const bool mro_best = naive::survivors(naive::plan("mro", nodes, slots, counts)) == best;
    REQUIRE((truncated || mro_best));
    const auto bound = survival_bound(nodes, sizes, nodes);
    REQUIRE(bound.has_value());
    bool meets = true;
    for (std::size_t k = 0; k < best.size(); ++k) {
      REQUIRE(static_cast<UInt128>(best[k]) <= (*bound)[k]);
      meets = meets && static_cast<UInt128>(best[k]) == (*bound)[k];
    }
    const auto known = certify(plan, 0);
    REQUIRE((known == Optimality::proven) == meets);
    REQUIRE(known != Optimality::unknown);
    if (certified != nullptr) ++(*certified)[static_cast<std::size_t>(known)];
    tally.cases += 1;
    tally.truncated += truncated ? 1 : 0;
    tally.mro_not_best += mro_best ? 0 : 1;
  }
  return tally;
}

TEST_CASE("the enumerator finds the same with and without a plan to start from") {
  for (const auto& [nodes, slots] : {std::pair{3, 2}, {3, 3}, {4, 2}, {4, 3}, {5, 2}}) {
    for (const auto& counts : naive::all_counts(nodes, slots)) {
      const std::vector<std::int64_t> none(static_cast<std::size_t>(nodes) + 1);
      const auto reached = naive::survivors(naive::plan("spread", nodes, slots, counts));
      REQUIRE(naive::most_survived(nodes, slots, counts, none) ==
              naive::most_survived(nodes, slots, counts, reached));
    }
  }
}

TEST_CASE("mro+ is optimal in every case of up to 6 nodes and 3 slots") {
  // Cases, truncated ones, and those where MRO is not optimal, as published.
  CHECK(check_all(3, 2) == Tally{7, 3, 1});
  CHECK(check_all(3, 3) == Tally{12, 5, 1});
  CHECK(check_all(4, 2) == Tally{15, 7, 2});
  CHECK(check_all(4, 3) == Tally{34, 14, 5});
  CHECK(check_all(5, 2) == Tally{30, 14, 5});
  CHECK(check_all(5, 3) == Tally{84, 36, 15});
  CHECK(check_all(6, 2) == Tally{58, 28, 10});
  CHECK(check_all(6, 3) == Tally{199, 86, 42});
  for (const int nodes : {2, 3, 4, 5, 6}) check_all(nodes, 1);
  for (const int slots : {2, 3}) check_all(2, slots);
}

// All sizes of placement.md §3: minutes. unit_placement "[.slow]"
TEST_CASE("mro+ is optimal in all enumerated cases", "[.slow]") {
  struct Size {
    int nodes;
    int slots;
    int most_experts;
    Tally published;
  };
  const std::vector<Size> sizes = {
      {3, 2, 1000, {7, 3, 1}},      {3, 3, 1000, {12, 5, 1}},      {3, 4, 1000, {19, 8, 2}},
      {4, 2, 1000, {15, 7, 2}},     {4, 3, 1000, {34, 14, 5}},     {4, 4, 1000, {64, 28, 9}},
      {5, 2, 1000, {30, 14, 5}},    {5, 3, 1000, {84, 36, 15}},    {5, 4, 1000, {192, 84, 34}},
      {5, 5, 1000, {377, 163, 66}}, {6, 2, 1000, {58, 28, 10}},    {6, 3, 1000, {199, 86, 42}},
      {7, 2, 1000, {105, 51, 19}},  {8, 2, 1000, {186, 91, 34}},   {6, 4, 1000, {532, 233, 112}},
      {8, 3, 6, {151, 35, 16}},     {7, 3, 1000, {436, 190, 101}},
  };
  Tally sum;
  std::array<int, 3> certified{};
  for (const auto& size : sizes) {
    const auto start = std::chrono::steady_clock::now();
    const auto tally = check_all(size.nodes, size.slots, size.most_experts, &certified);
    CHECK(tally == size.published);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print("({},{}) {}/{}/{} {:.1f} s\n", size.nodes, size.slots, tally.cases, tally.truncated,
               tally.mro_not_best, took.count());
    sum.cases += tally.cases;
    sum.truncated += tally.truncated;
    sum.mro_not_best += tally.mro_not_best;
  }
  CHECK(sum == Tally{2501, 1076, 474});
  fmt::print("proven {}, enumerated {}, unknown {}\n", certified[0], certified[1], certified[2]);
  // Of the cut cases, those that meet U as published: 629.
  CHECK(certified[0] == 1425 + 629);
}

}  // namespace
}  // namespace bethany
