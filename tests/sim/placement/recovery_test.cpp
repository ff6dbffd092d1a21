#include <rapidcheck.h>

#include <cmath>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;

std::uint32_t mask_of(const HostSet& set) {
  std::uint32_t mask = 0;
  for (const auto node : set) mask |= 1U << node;
  return mask;
}

/// Several layers, any experts anywhere; every expert has a host.
PlacementPlan random_plan() {
  PlacementPlan plan;
  plan.nodes = *rc::gen::inRange(1, 11);
  plan.slots_per_node = *rc::gen::inRange(1, 4);
  plan.experts = *rc::gen::inRange(1, std::min(plan.nodes * plan.slots_per_node, 6) + 1);
  const int layers = *rc::gen::inRange(1, 4);
  for (int l = 0; l < layers; ++l) {
    LayerPlan layer;
    layer.expert_of_slot = *rc::gen::container<std::vector<std::int32_t>>(
        static_cast<std::size_t>(plan.nodes * plan.slots_per_node),
        rc::gen::inRange(-1, plan.experts));
    for (int e = 0; e < plan.experts; ++e) {
      layer.expert_of_slot[static_cast<std::size_t>(e)] = e;
    }
    layer.replicas = naive::counted(layer, plan.experts);
    plan.layers.push_back(layer);
  }
  return plan;
}

TEST_CASE("any plan survives exactly what looking at every loss set says") {
  CHECK(rc::check([] {
    const auto plan = random_plan();
    const auto expected = naive::survivors(plan);
    const auto counts = naive::library_survivors(plan);
    RC_ASSERT(counts == expected);
    const auto curve = recovery_curve(plan, plan.nodes + 2);
    RC_ASSERT(curve.has_value());
    RC_ASSERT(curve->method == "exact");
    int guaranteed = 0;
    for (int k = 0; k <= plan.nodes; ++k) {
      const auto all = naive::choose(plan.nodes, k);
      const auto survived = expected[static_cast<std::size_t>(k)];
      RC_ASSERT(curve->probability[static_cast<std::size_t>(k)] ==
                static_cast<double>(survived) / static_cast<double>(all));
      if (survived == all) guaranteed = k;
    }
    RC_ASSERT(curve->guaranteed_losses == guaranteed);
    RC_ASSERT(curve->probability.size() == static_cast<std::size_t>(plan.nodes) + 3);
    RC_ASSERT(curve->probability.back() == 0.0);
    // The witness is fatal and no smaller loss is.
    const auto lost = mask_of({curve->witness.begin(), curve->witness.end()});
    bool alive = true;
    for (const auto hosts : naive::hosts(plan)) alive = alive && (hosts & ~lost) != 0;
    RC_ASSERT(!alive);
    RC_ASSERT(static_cast<int>(curve->witness.size()) == guaranteed + 1);
  }));
}

TEST_CASE("minimal host sets are the sets that contain no other, by size and content") {
  CHECK(rc::check([] {
    const auto plan = random_plan();
    std::vector<HostSet> expected;
    const auto all = naive::hosts(plan);
    for (const auto set : all) {
      const bool minimal = std::none_of(all.begin(), all.end(), [&](std::uint32_t other) {
        return other != set && (other & ~set) == 0;
      });
      if (!minimal) continue;
      HostSet nodes;
      for (int n = 0; n < plan.nodes; ++n) {
        if ((set >> n & 1U) != 0) nodes.push_back(n);
      }
      expected.push_back(nodes);
    }
    std::sort(expected.begin(), expected.end(), [](const HostSet& a, const HostSet& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    RC_ASSERT(minimal_host_sets(plan) == expected);
  }));
}

TEST_CASE("minimal host sets of more than 64 nodes") {
  // Experts on nodes {3, 70, 130}, {70, 130}, {3, 64}, {129}.
  PlacementPlan plan{
      .nodes = 131, .gpus_per_node = 1, .slots_per_node = 2, .experts = 4, .layers = {}};
  LayerPlan layer{.replicas = {3, 2, 2, 1},
                  .expert_of_slot = std::vector<std::int32_t>(262, kVacant)};
  const auto put = [&](int node, int slot, int expert) {
    layer.expert_of_slot[static_cast<std::size_t>(2 * node + slot)] = expert;
  };
  put(3, 0, 0), put(70, 0, 0), put(130, 0, 0), put(70, 1, 1), put(130, 1, 1);
  put(3, 1, 2), put(64, 0, 2), put(129, 0, 3);
  plan.layers.push_back(layer);
  CHECK(minimal_host_sets(plan) == std::vector<HostSet>{{129}, {3, 64}, {70, 130}});
}

TEST_CASE("an expert without a host gives the empty set") {
  PlacementPlan plan{
      .nodes = 2, .gpus_per_node = 1, .slots_per_node = 1, .experts = 2, .layers = {}};
  plan.layers.push_back({{2, 0}, {0, 0}});
  CHECK(minimal_host_sets(plan) == std::vector<HostSet>{{}});
}

/// Consecutive disjoint sets of those sizes.
std::vector<HostSet> disjoint(const std::vector<int>& sizes) {
  std::vector<HostSet> sets;
  std::int32_t node = 0;
  for (const int size : sizes) {
    sets.emplace_back();
    for (int i = 0; i < size; ++i) sets.back().push_back(node++);
  }
  return sets;
}

std::vector<std::int64_t> counted(int nodes, const std::vector<int>& sizes) {
  const auto counts = survivor_counts(nodes, disjoint(sizes), nodes);
  REQUIRE(counts.has_value());
  return {counts->begin(), counts->end()};
}

TEST_CASE("disjoint groups survive what the papers' vectors say") {
  // papers.md 6.1: S = (2,2,6) of 10 nodes.
  const auto curve = recovery_curve(10, disjoint({2, 2, 6}), 6);
  const std::vector<double> published = {1, 1, .956, .867, .738, .579, .400};
  for (std::size_t k = 0; k < published.size(); ++k) {
    CHECK(curve->probability[k] == Approx(published[k]).margin(5e-4));
  }
  // placement.md 8: joint counts of 12 layers on one core family.
  CHECK(counted(10, {3, 3, 4}) ==
        std::vector<std::int64_t>{1, 10, 45, 118, 195, 204, 126, 36, 0, 0, 0});
  CHECK(counted(10, {4, 5}) ==
        std::vector<std::int64_t>{1, 10, 45, 120, 209, 245, 190, 90, 20, 0, 0});
  CHECK(counted(10, {5, 5}) ==
        std::vector<std::int64_t>{1, 10, 45, 120, 210, 250, 200, 100, 25, 0, 0});
  CHECK(counted(7, {1, 2}) == naive::closed_form(7, {1, 2}));
}

/// log C(n, k) by summing logarithms.
double log_choose(int n, int k) {
  double sum = 0;
  for (int i = 1; i <= k; ++i) sum += std::log(n - k + i) - std::log(i);
  return sum;
}

TEST_CASE("one thousand nodes neither overflow nor cancel") {
  // One group of g nodes: P(k) = 1 - C(N-g, k-g) / C(N, k), here by logarithms.
  const int nodes = 1000;
  const int group = 100;
  const auto one = recovery_curve(nodes, disjoint({group}), nodes);
  REQUIRE(one.has_value());
  for (int k = 0; k <= nodes; ++k) {
    const double p = one->probability[static_cast<std::size_t>(k)];
    REQUIRE(std::isfinite(p));
    const double fatal =
        k < group ? 0 : std::exp(log_choose(nodes - group, k - group) - log_choose(nodes, k));
    REQUIRE(p == Approx(1 - fatal).margin(1e-11));
  }
  CHECK(one->guaranteed_losses == 99);
  CHECK(one->probability[99] == 1.0);

  // 500 pairs: an odd loss set survives iff it hits every pair at most once, 2^k C(500, k) of them.
  const auto pairs = recovery_curve(nodes, disjoint(std::vector<int>(500, 2)), nodes);
  for (int k = 0; k <= nodes; ++k) {
    const double p = pairs->probability[static_cast<std::size_t>(k)];
    REQUIRE(std::isfinite(p));
    const double expected =
        k > 500 ? 0 : std::exp(k * std::log(2.0) + log_choose(500, k) - log_choose(nodes, k));
    REQUIRE(p == Approx(expected).epsilon(1e-9).margin(1e-250));
  }
}

TEST_CASE("exact counts and doubles agree where both are possible") {
  // 131 nodes are the most whose counts all fit; 132 are computed in doubles. A ring of 12 nodes is
  // a component of many sets.
  auto sets = disjoint({20, 30, 40});
  for (std::int32_t i = 0; i < 12; ++i) {
    const std::int32_t next = (i + 1) % 12;
    sets.push_back({90 + std::min(i, next), 90 + std::max(i, next)});
  }
  std::sort(sets.begin(), sets.end(), [](const HostSet& a, const HostSet& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  REQUIRE(survivor_counts(131, sets, 131).has_value());
  CHECK_FALSE(survivor_counts(132, sets, 132).has_value());
  const auto exact = recovery_curve(131, sets, 131);
  const auto doubles = recovery_curve(132, sets, 132);
  // A node more that is in no set: P'(k) = P(k) (132-k)/132 + P(k-1) k/132.
  for (int k = 1; k <= 131; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const double expected =
        (exact->probability[i] * (132 - k) + exact->probability[i - 1] * k) / 132;
    REQUIRE(doubles->probability[i] == Approx(expected).epsilon(1e-12).margin(1e-300));
  }
}

/// Sets of `size` consecutive nodes, each beginning `step` after the one before.
std::vector<HostSet> overlapping(int count, int size, int step) {
  std::vector<HostSet> sets;
  for (std::int32_t i = 0; i < count; ++i) {
    sets.emplace_back();
    for (std::int32_t j = 0; j < size; ++j) sets.back().push_back(i * step + j);
  }
  return sets;
}

TEST_CASE("few overlapping sets of many nodes are counted by inclusion and exclusion") {
  // By brute force, where that is possible.
  const auto small = overlapping(6, 7, 2);
  std::vector<std::uint32_t> masks;
  for (const auto& set : small) masks.push_back(mask_of(set));
  const auto counts = survivor_counts(18, small, 18);
  REQUIRE(counts.has_value());
  CHECK(std::vector<std::int64_t>(counts->begin(), counts->end()) == naive::survivors(18, masks));

  // 120 nodes in 10 sets, exactly and in doubles: a node more that is in no set.
  const auto large = overlapping(10, 30, 10);
  const auto exact = recovery_curve(131, large, 131);
  const auto doubles = recovery_curve(132, large, 132);
  REQUIRE(exact.has_value());
  REQUIRE(doubles.has_value());
  for (int k = 1; k <= 131; ++k) {
    const auto i = static_cast<std::size_t>(k);
    const double expected =
        (exact->probability[i] * (132 - k) + exact->probability[i - 1] * k) / 132;
    REQUIRE(doubles->probability[i] == Approx(expected).margin(1e-11));
  }

  // Two sets by hand: C(n,k) less 2 C(n-600, k-600), plus those that lose all 900 nodes.
  const auto two = recovery_curve(1000, overlapping(2, 600, 300), 1000);
  for (int k = 600; k <= 1000; ++k) {
    const double one = std::exp(log_choose(400, k - 600) - log_choose(1000, k));
    const double both = k < 900 ? 0 : std::exp(log_choose(100, k - 900) - log_choose(1000, k));
    REQUIRE(two->probability[static_cast<std::size_t>(k)] ==
            Approx(1 - 2 * one + both).margin(1e-11));
  }
}

TEST_CASE("few losses of many nodes are counted exactly") {
  const auto counts = survivor_counts(100000, disjoint({2, 3}), 3);
  REQUIRE(counts.has_value());
  const std::int64_t n = 100000;
  CHECK((*counts)[2] == static_cast<UInt128>(n * (n - 1) / 2 - 1));
  CHECK((*counts)[3] == static_cast<UInt128>(n * (n - 1) / 2 * (n - 2) / 3 - (n - 2) - 1));
}

/// Three nodes for each set, far apart: nothing falls apart when some are decided.
std::vector<HostSet> tangled(std::int32_t nodes, std::int32_t sets) {
  std::vector<HostSet> made;
  for (std::int32_t i = 0; i < sets; ++i) {
    HostSet set = {i % nodes, (i * 7 + 13 + i / nodes) % nodes, (i * 31 + 50 + i / nodes) % nodes};
    std::sort(set.begin(), set.end());
    if (set[0] != set[1] && set[1] != set[2]) made.push_back(set);
  }
  std::sort(made.begin(), made.end());
  made.erase(std::unique(made.begin(), made.end()), made.end());
  return made;
}

TEST_CASE("what cannot be afforded has no exact answer, and says how large it is") {
  const auto sets = tangled(200, 400);
  const ExactOptions little{.method = ExactMethod::automatic, .work = 1 << 16};
  CHECK_FALSE(recovery_curve(200, sets, 200, little).has_value());
  CHECK_FALSE(survivor_counts(200, sets, 8, little).has_value());
  CHECK_FALSE(rated_recovery(std::vector<double>(200, 0.1), sets, little).has_value());
  const auto worst = hardest_component(200, sets);
  CHECK(worst.nodes == 200);
  CHECK(worst.sets == static_cast<int>(sets.size()));
  CHECK(worst.log2_states > 50);
  // Few losses of many nodes are cheap all the same: few families of sets are so small.
  CHECK(recovery_curve(200, sets, 5).has_value());
}

TEST_CASE("24 nodes are enumerated: a ring of pairs survives what has no two neighbours lost") {
  std::vector<HostSet> ring{{0, 1}, {0, 23}};
  for (std::int32_t i = 1; i < 23; ++i) ring.push_back({i, i + 1});
  const auto counts = survivor_counts(24, ring, 24);
  REQUIRE(counts.has_value());
  for (int k = 0; k <= 24; ++k) {
    // k of n places on a circle, no two adjacent: n / (n-k) C(n-k, k).
    const auto expected = k > 12 ? 0 : naive::choose(24 - k, k) * 24 / (24 - k);
    CHECK(static_cast<std::int64_t>((*counts)[static_cast<std::size_t>(k)]) == expected);
  }
}

}  // namespace
}  // namespace bethany
