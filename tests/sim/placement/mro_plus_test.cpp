// mro+ and its bound on the vectors of placement.md §8 and papers.md §6.1.

#include <numeric>

#include "sim/placement/optimality.h"
#include "sim/placement/survival_bound.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using Survivors = std::vector<std::int64_t>;

struct Vector {
  int nodes;
  int slots;
  Counts counts;
  Survivors best;  // k = 1..nodes-1
  Survivors mro;
};

/// Found by exhaustive search (placement.md §8, first table): best for every k at once.
const std::vector<Vector>& enumerated() {
  static const std::vector<Vector> vectors = {
      {3, 2, {2, 2, 2}, {3, 0}, {2, 0}},
      {4, 2, {2, 3, 3}, {4, 5, 0}, {4, 4, 0}},
      {4, 3, {3, 3, 3, 3}, {4, 6, 0}, {3, 3, 0}},
      {4, 4, {2, 2, 3, 3, 3, 3}, {4, 5, 0}, {4, 4, 0}},
      {5, 2, {2, 2, 2, 2, 2}, {5, 6, 0, 0}, {4, 4, 0, 0}},
      {5, 3, {3, 4, 4, 4}, {5, 10, 9, 0}, {5, 9, 6, 0}},
      {5, 4, {2, 2, 2, 2, 2, 2, 2, 3, 3}, {5, 7, 0, 0}, {4, 4, 0, 0}},
      {5, 4, {4, 4, 4, 4, 4}, {5, 10, 10, 0}, {4, 6, 4, 0}},
      {5, 4, {3, 3, 4, 5, 5}, {5, 10, 9, 0}, {5, 9, 6, 0}},
      {5, 5, {3, 3, 3, 3, 3, 3, 3, 4}, {5, 10, 6, 0}, {5, 9, 6, 0}},
      {6, 2, {2, 2, 2, 3, 3}, {6, 13, 10, 0, 0}, {6, 12, 8, 0, 0}},
      {6, 2, {4, 4, 4}, {6, 15, 20, 12, 0}, {6, 14, 16, 8, 0}},
      {6, 3, {2, 2, 2, 3, 3, 3, 3}, {6, 14, 12, 0, 0}, {5, 9, 6, 0, 0}},
      {6, 3, {3, 3, 4, 4, 4}, {6, 15, 19, 9, 0}, {6, 15, 18, 9, 0}},
      {6, 3, {4, 4, 5, 5}, {6, 15, 20, 13, 0}, {6, 14, 16, 8, 0}},
      {6, 3, {1, 1, 2, 2, 2, 5, 5}, {5, 9, 7, 0, 0}, {5, 9, 6, 0, 0}},
      {6, 4, {1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3}, {5, 7, 0, 0, 0}, {4, 4, 0, 0, 0}},
      {6, 4, {1, 1, 1, 3, 3, 3, 3, 3, 3, 3}, {5, 10, 7, 0, 0}, {5, 9, 6, 0, 0}},
      {6, 4, {1, 1, 2, 2, 3, 3, 3, 3, 3, 3}, {5, 10, 7, 0, 0}, {5, 9, 6, 0, 0}},
      {6, 4, {3, 3, 6, 6, 6}, {6, 15, 19, 12, 0}, {6, 15, 18, 9, 0}},
      {7, 2, {2, 2, 2, 2, 2, 2, 2}, {7, 16, 12, 0, 0, 0}, {6, 12, 8, 0, 0, 0}},
      {7, 2, {4, 5, 5}, {7, 21, 35, 34, 16, 0}, {7, 21, 34, 30, 12, 0}},
      {7, 3, {3, 3, 3, 3, 3, 3, 3}, {7, 21, 30, 18, 0, 0}, {6, 15, 18, 9, 0, 0}},
      {7, 3, {1, 2, 3, 4, 5, 6}, {6, 15, 20, 14, 4, 0}, {6, 15, 20, 14, 4, 0}},
      {7, 3, {2, 2, 2, 2, 2, 2, 2, 2, 2, 3}, {7, 16, 12, 0, 0, 0}, {6, 12, 8, 0, 0, 0}},
      {7, 3, {1, 1, 2, 2, 3, 6, 6}, {6, 14, 16, 9, 0, 0}, {6, 14, 16, 8, 0, 0}},
      {6, 3, {1, 2, 3, 4, 4, 4}, {5, 10, 10, 4, 0}, {5, 10, 10, 4, 0}},
  };
  return vectors;
}

Survivors inner(const Survivors& all) { return {all.begin() + 1, all.end() - 1}; }

TEST_CASE("mro+ is optimal on the published vectors, and mro is as published") {
  for (const auto& at : enumerated()) {
    INFO("N=" << at.nodes << " c=" << at.slots
              << " r=" << Catch::StringMaker<Counts>::convert(at.counts));
    const auto plan = naive::plan("mro+", at.nodes, at.slots, at.counts);
    CHECK(naive::counted(plan.layers[0], plan.experts) == at.counts);
    CHECK(inner(naive::survivors(plan)) == at.best);
    CHECK(inner(naive::survivors(naive::plan("mro", at.nodes, at.slots, at.counts))) == at.mro);
    CHECK(certify(plan, 0) != Optimality::unknown);
  }
}

struct Larger {
  int nodes;
  int slots;
  Counts counts;
  Survivors survive;  // k = 0..nodes
};

Counts repeated(std::initializer_list<std::pair<int, int>> times_and_count) {
  Counts counts;
  for (const auto& [times, count] : times_and_count) {
    counts.insert(counts.end(), static_cast<std::size_t>(times), count);
  }
  return counts;
}

TEST_CASE("mro+ reaches the larger published vectors") {
  const std::vector<Larger> vectors = {
      {10, 6, {7, 7, 7, 7, 8, 8, 8, 8}, {1, 10, 45, 120, 210, 252, 210, 118, 37, 0, 0}},
      {10, 6, repeated({{4, 3}, {12, 4}}), {1, 10, 45, 119, 199, 210, 130, 36, 0, 0, 0}},
      {10, 6, repeated({{6, 3}, {8, 4}, {2, 5}}), {1, 10, 45, 119, 200, 213, 132, 36, 0, 0, 0}},
      {10, 3, {6, 6, 6, 6, 6}, {1, 10, 45, 120, 210, 252, 206, 104, 24, 0, 0}},
      {13, 3, {8, 8, 11, 12}, {1, 13, 78, 286, 715, 1287, 1716, 1716, 1286, 708, 268, 56, 0, 0}},
      {12, 2, {2, 5, 5, 6, 6}, {1, 12, 65, 210, 450, 671, 705, 510, 235, 55, 0, 0, 0}},
      {16,
       4,
       {10, 10, 10, 11, 11, 12},
       {1, 16, 120, 560, 1820, 4368, 8008, 11440, 12870, 11440, 8006, 4355, 1785, 510, 80, 0, 0}},
  };
  for (const auto& at : vectors) {
    INFO("N=" << at.nodes << " c=" << at.slots
              << " r=" << Catch::StringMaker<Counts>::convert(at.counts));
    const auto plan = naive::plan("mro+", at.nodes, at.slots, at.counts);
    CHECK(naive::counted(plan.layers[0], plan.experts) == at.counts);
    CHECK(naive::survivors(plan) == at.survive);
  }
}

TEST_CASE("six experts of 17 and one of 18 on 20 nodes: mro+ survives any 16 losses") {
  const auto counts = repeated({{6, 17}, {1, 18}});
  const auto survive = naive::survivors(naive::plan("mro+", 20, 6, counts));
  for (int k = 0; k <= 16; ++k) {
    CHECK(survive[static_cast<std::size_t>(k)] == naive::choose(20, k));
  }
  CHECK(Survivors(survive.begin() + 17, survive.end()) == Survivors{1134, 171, 0, 0});
}

std::vector<std::int64_t> bound(int nodes, int slots, const Counts& counts) {
  const auto most = survival_bound(nodes, group_representatives(counts, slots), nodes);
  REQUIRE(most.has_value());
  return {most->begin(), most->end()};
}

TEST_CASE("the bound U is the published one") {
  using Tail = Survivors;
  const auto from = [](const Survivors& all, int first, int last) {
    return Tail(all.begin() + first, all.begin() + last + 1);
  };
  CHECK(from(bound(10, 6, {7, 7, 7, 7, 8, 8, 8, 8}), 6, 8) == Tail{210, 119, 41});
  CHECK(from(bound(10, 6, repeated({{4, 3}, {12, 4}})), 3, 7) == Tail{119, 201, 219, 145, 47});
  CHECK(from(bound(16, 4, {10, 10, 10, 11, 11, 12}), 9, 14) ==
        Tail{11440, 8007, 4361, 1800, 530, 95});
  CHECK(from(bound(20, 6, repeated({{6, 17}, {1, 18}})), 17, 18) == Tail{1139, 186});
}

TEST_CASE("the bound over all allocations is the published one") {
  const auto shares = [](int experts) {
    const auto most = survival_bound_of_any_counts(10, 6, experts, 8);
    REQUIRE(most.has_value());
    std::vector<int> ten_thousandths;
    for (int k = 1; k <= 8; ++k) {
      const auto of = static_cast<double>((*most)[static_cast<std::size_t>(k)]);
      ten_thousandths.push_back(
          static_cast<int>(of / static_cast<double>(naive::choose(10, k)) * 10000 + 0.5));
    }
    return ten_thousandths;
  };
  CHECK(shares(8) == std::vector<int>{10000, 10000, 10000, 10000, 10000, 10000, 9917, 9333});
  CHECK(shares(12) == std::vector<int>{10000, 10000, 10000, 10000, 9921, 9524, 8333, 5556});
  const auto sixteen = shares(16);
  CHECK(std::vector<int>(sixteen.begin(), sixteen.begin() + 7) ==
        std::vector<int>{10000, 10000, 9917, 9571, 8690, 6905, 4167});
}

TEST_CASE("mro+ is mro, proven optimal, where the groups fit") {
  const Counts uniform(12, 5);
  const auto plan = naive::plan("mro+", 10, 6, uniform);
  CHECK(plan == naive::plan("mro", 10, 6, uniform));
  CHECK(certify(plan, 0) == Optimality::proven);
  // Of any counts of 12 experts, too: the bound over all allocations is met.
  const auto survive = naive::survivors(plan);
  CHECK(survive == naive::closed_form(10, {5, 5}));
  const auto most = survival_bound_of_any_counts(10, 6, 12, 10);
  REQUIRE(most.has_value());
  CHECK(std::equal(survive.begin(), survive.end(), most->begin(),
                   [](auto count, auto bound) { return static_cast<UInt128>(count) == bound; }));
}

TEST_CASE("papers.md §6.1: a cut group, where mro+ is no worse than the published curve") {
  const Counts counts{2, 2, 2, 2, 3, 7, 14, 28};
  CHECK(naive::survivors(naive::plan("mro", 10, 6, counts)) == naive::closed_form(10, {2, 8}));
  CHECK(naive::survivors(naive::plan("mro+", 10, 6, counts)) >= naive::closed_form(10, {2, 8}));
}

TEST_CASE(
    "three nodes, two slots, three experts of two replicas: MRO fails at once, mro+ does not") {
  const auto plan = naive::plan("mro+", 3, 2, {2, 2, 2});
  CHECK(naive::survivors(plan) == Survivors{1, 3, 0, 0});
  // U is 3 of 3 for one loss and 0 beyond.
  CHECK(certify(plan, 0) == Optimality::proven);
  CHECK(certify(naive::plan("mro", 3, 2, {2, 2, 2}), 0) == Optimality::unknown);
}

}  // namespace
}  // namespace bethany
