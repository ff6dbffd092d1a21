#include "tests/sim/placement/naive.h"

#include "sim/placement/layer_nesting.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

struct Row {
  int nodes, slots;
  Counts counts;
  std::vector<std::int64_t> survive;  // k = 1..N-1
};

/// placement.md §8, the MRO column.
const std::vector<Row>& published_rows() {
  static const std::vector<Row> rows = {
      {3, 2, {2, 2, 2}, {2, 0}},
      {4, 2, {2, 3, 3}, {4, 4, 0}},
      {4, 3, {3, 3, 3, 3}, {3, 3, 0}},
      {4, 4, {2, 2, 3, 3, 3, 3}, {4, 4, 0}},
      {5, 2, {2, 2, 2, 2, 2}, {4, 4, 0, 0}},
      {5, 3, {3, 4, 4, 4}, {5, 9, 6, 0}},
      {5, 4, {2, 2, 2, 2, 2, 2, 2, 3, 3}, {4, 4, 0, 0}},
      {5, 4, {4, 4, 4, 4, 4}, {4, 6, 4, 0}},
      {5, 4, {3, 3, 4, 5, 5}, {5, 9, 6, 0}},
      {5, 5, {3, 3, 3, 3, 3, 3, 3, 4}, {5, 9, 6, 0}},
      {6, 2, {2, 2, 2, 3, 3}, {6, 12, 8, 0, 0}},
      {6, 2, {4, 4, 4}, {6, 14, 16, 8, 0}},
      {6, 3, {2, 2, 2, 3, 3, 3, 3}, {5, 9, 6, 0, 0}},
      {6, 3, {3, 3, 4, 4, 4}, {6, 15, 18, 9, 0}},
      {6, 3, {4, 4, 5, 5}, {6, 14, 16, 8, 0}},
      {6, 3, {1, 1, 2, 2, 2, 5, 5}, {5, 9, 6, 0, 0}},
      {6, 4, {1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3}, {4, 4, 0, 0, 0}},
      {6, 4, {1, 1, 1, 3, 3, 3, 3, 3, 3, 3}, {5, 9, 6, 0, 0}},
      {6, 4, {1, 1, 2, 2, 3, 3, 3, 3, 3, 3}, {5, 9, 6, 0, 0}},
      {6, 4, {3, 3, 6, 6, 6}, {6, 15, 18, 9, 0}},
      {7, 2, {2, 2, 2, 2, 2, 2, 2}, {6, 12, 8, 0, 0, 0}},
      {7, 2, {4, 5, 5}, {7, 21, 34, 30, 12, 0}},
      {7, 3, {3, 3, 3, 3, 3, 3, 3}, {6, 15, 18, 9, 0, 0}},
      {7, 3, {1, 2, 3, 4, 5, 6}, {6, 15, 20, 14, 4, 0}},
      {7, 3, {2, 2, 2, 2, 2, 2, 2, 2, 2, 3}, {6, 12, 8, 0, 0, 0}},
      {7, 3, {1, 1, 2, 2, 3, 6, 6}, {6, 14, 16, 8, 0, 0}},
      {6, 3, {1, 2, 3, 4, 4, 4}, {5, 10, 10, 4, 0}},
      {10, 6, {7, 7, 7, 7, 8, 8, 8, 8}, {10, 45, 119, 203, 231, 175, 84, 21, 0}},
      {10,
       6,
       {3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4},
       {10, 45, 118, 195, 204, 126, 36, 0, 0}},
  };
  return rows;
}

TEST_CASE("mro survives what placement.md 8 says") {
  for (const auto& row : published_rows()) {
    auto expected = row.survive;
    expected.insert(expected.begin(), 1);
    expected.push_back(0);
    const auto plan = naive::plan("mro", row.nodes, row.slots, row.counts);
    CHECK(naive::library_survivors(plan) == expected);
    CHECK(naive::survivors(plan) == expected);
  }
}

TEST_CASE("mro recovers with the probabilities of papers.md 6.1") {
  struct Vector {
    Loads loads;
    int nodes, slots, f;
    std::vector<double> p;  // k = 1..
  };
  const std::vector<Vector> vectors = {
      {{1, 1, 2, 4, 8, 16, 32, 64}, 10, 6, 2, {1, .9778, .9333, .8667, .7778}},
      {Loads(8, 1), 10, 6, 2, {1, 1, .9917, .9667, .9167}},
      {Loads(12, 1), 10, 6, 2, {1, 1, 1, 1, .9921}},
      {Loads(16, 1), 10, 6, 2, {1, 1, .9833, .9286, .8095}},
      {{1, 2, 3, 4, 5, 6}, 4, 3, 1, {.75, .3333, 0}},
  };
  for (const auto& at : vectors) {
    const auto shape = naive::shape(at.nodes, at.slots, static_cast<int>(at.loads.size()), 1, at.f);
    auto rng = RngStreams(1, 0).stream("test");
    const auto made =
        make_plan(*naive::part(allocations(), "proportional"), *naive::part(placements(), "mro"),
                  shape, LayerOrder::aligned, naive::one_layer(at.loads), rng);
    const auto curve = recovery_curve(std::get<PlacementPlan>(made), at.nodes);
    REQUIRE(curve.has_value());
    for (std::size_t k = 1; k <= at.p.size(); ++k) {
      CHECK(curve->probability[k] == Approx(at.p[k - 1]).margin(5e-5));
    }
  }
}

TEST_CASE("figures 4 and 5 of the paper: overlapping ranks survive more") {
  // N = 5, r_1 = 2, three failures: 7 of 10; two groups of 2 and 3 nodes: 6 of 10.
  CHECK(naive::survivors(naive::plan("mro", 5, 2, {2, 8}))[3] == 7);
  CHECK(naive::survivors(naive::plan("mro", 5, 2, {2, 2, 3, 3}))[3] == 6);
}

TEST_CASE("the published theorem fails for a cut last group: a ring always survives one loss") {
  const auto mro = naive::plan("mro", 3, 2, {2, 2, 2});
  CHECK(mro.layers[0].expert_of_slot == std::vector<std::int32_t>{0, 1, 0, 1, 2, 2});
  CHECK(naive::survivors(mro)[1] == 2);
  CHECK(naive::survivors(naive::plan("spread", 3, 2, {2, 2, 2}))[1] == 3);
}

TEST_CASE("spread beats mro on uniform loads of GPT-S, as papers.md 1.2 computes") {
  const Counts counts = {7, 7, 7, 7, 8, 8, 8, 8};
  const auto spread = naive::survivors(naive::plan("spread", 10, 6, counts));
  for (int k = 3; k <= 5; ++k) CHECK(spread[static_cast<std::size_t>(k)] == naive::choose(10, k));
  const Counts sixteen = {3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
  const auto ragged = naive::survivors(naive::plan("spread", 10, 6, sixteen));
  CHECK(static_cast<double>(ragged[3]) / 120 == Approx(.967).margin(5e-4));
  CHECK(static_cast<double>(ragged[4]) / 210 == Approx(.867).margin(5e-4));
  CHECK(static_cast<double>(ragged[5]) / 252 == Approx(.675).margin(5e-4));
}

TEST_CASE("for every small case mro survives exactly what the closed form of its groups says") {
  int cases = 0;
  for (int nodes = 1; nodes <= 5; ++nodes) {
    for (int slots = 1; slots <= 4; ++slots) {
      for (int experts = 1; experts <= nodes * slots; ++experts) {
        std::vector<Counts> all;
        Counts so_far;
        naive::ascending_counts(experts, 1, nodes * slots, nodes * slots, so_far, all);
        for (const auto& counts : all) {
          const auto plan = naive::plan("mro", nodes, slots, counts);
          const auto expected = naive::closed_form(nodes, naive::mro_groups(nodes, slots, counts));
          ++cases;
          if (naive::survivors(plan) == expected && naive::library_survivors(plan) == expected &&
              naive::counted(plan.layers[0], experts) == counts) {
            continue;
          }
          FAIL("N " << nodes << ", c " << slots << ", case " << cases);
        }
      }
    }
  }
  CHECK(cases > 1000);
}

TEST_CASE("leftover replicas go to the expert with fewest hosts on the emptiest new node") {
  // Experts 0 and 1 fill nodes 0 and 1, experts 2 and 3 nodes 2 and 3. Node 4 is left, and two
  // replicas of expert 3: the second lies beside the first, as no other node has room.
  const auto plan = naive::plan("mro", 5, 2, {2, 2, 2, 4});
  CHECK(plan.layers[0].expert_of_slot == std::vector<std::int32_t>{0, 1, 0, 1, 2, 3, 2, 3, 3, 3});
  // Nodes 2 and 3 host expert 2 and have a slot each. Expert 1 takes the one of node 2; what is
  // left of expert 2 then has only a node that hosts it already.
  const auto wide = naive::plan("mro", 4, 2, {2, 3, 3});
  CHECK(naive::hosts(wide) == std::vector<std::uint32_t>{0b0011, 0b0111, 0b1100});
}

TEST_CASE("leftover replicas step by step") {
  // Three nodes of four slots, counts 1, 4, 7: node 0 begins with one of each. Then, as
  // expert:node, 1:1, 2:2 (both had one host), 1:2, 2:1 (two hosts), now all nodes host both: 1:1,
  // 2:2, 2:0, 2:1, 2:2, each time the emptiest, the lowest first.
  const auto plan = naive::plan("mro", 3, 4, {1, 4, 7});
  CHECK(plan.layers[0].expert_of_slot ==
        std::vector<std::int32_t>{0, 1, 2, 2, 1, 2, 1, 2, 2, 1, 2, 2});
}

TEST_CASE("spread goes round robin, compact fills node after node, both in ascending order") {
  CHECK(naive::plan("spread", 3, 3, {4, 2, 3}).layers[0].expert_of_slot ==
        std::vector<std::int32_t>{1, 2, 0, 1, 2, 0, 2, 0, 0});
  CHECK(naive::plan("compact", 3, 3, {4, 2, 2}).layers[0].expert_of_slot ==
        std::vector<std::int32_t>{1, 1, 2, 2, 0, 0, 0, 0, kVacant});
}

TEST_CASE("random depends on the seed alone and is uniform over slots") {
  const Counts counts = {1, 2, 3};
  CHECK(naive::plan("random", 3, 2, counts, 7) == naive::plan("random", 3, 2, counts, 7));
  std::vector<int> seen(3);
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const auto plan = naive::plan("random", 3, 2, counts, seed);
    for (int node = 0; node < 3; ++node) {
      for (const auto expert : plan.node_slots(0, node)) {
        if (expert == 0) ++seen[static_cast<std::size_t>(node)];
      }
    }
  }
  for (const int count : seen) CHECK(std::abs(count - 1000) < 120);  // 4.6 standard deviations
}

TEST_CASE("ep-groups puts consecutive experts on consecutive ranks") {
  const auto placement = naive::part(placements(), "ep-groups");
  auto rng = RngStreams(1, 0).stream("test");
  const auto placed = placement->place(naive::shape(4, 3, 4), Counts(4, 2), {}, rng);
  CHECK(std::get<std::vector<std::int32_t>>(placed) ==
        std::vector<std::int32_t>{0, 1, kVacant, 2, 3, kVacant, 0, 1, kVacant, 2, 3, kVacant});
  const auto unequal = placement->place(naive::shape(4, 3, 4), Counts{1, 2, 2, 2}, {}, rng);
  CHECK(std::get<Infeasible>(unequal).reason ==
        "EP groups hold every expert once, but one has 1 replicas and the next 2");
}

TEST_CASE("a placement refuses counts that cannot be placed") {
  auto rng = RngStreams(1, 0).stream("test");
  for (const auto& name : {"mro", "spread", "compact", "random"}) {
    const auto placement = naive::part(placements(), name);
    CHECK(std::get<Infeasible>(placement->place(naive::shape(2, 2, 2), Counts{2, 3}, {}, rng))
              .reason == "5 replicas do not fit 2 nodes of 2 slots (4 in all)");
    CHECK(std::get<Infeasible>(placement->place(naive::shape(2, 2, 2), Counts{2, 0}, {}, rng))
              .reason == "expert 1 has no replica");
  }
}

TEST_CASE("nested groups survive jointly what their common cores do") {
  // Layers of groups (2,3,4), (3,2,5), (4,4,2): sorted, the cores are 2, 3 and 4.
  const auto shape = naive::shape(10, 1, 3);
  const std::vector<std::vector<std::int32_t>> sizes = {{2, 3, 4}, {3, 2, 5}, {4, 4, 2}};
  LayerRows layers;
  for (const auto& groups : sizes) {
    std::vector<std::int32_t> rows;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      rows.insert(rows.end(), static_cast<std::size_t>(groups[g]), static_cast<std::int32_t>(g));
    }
    rows.resize(10, kVacant);
    layers.push_back(rows);
  }
  nest_groups(shape, sizes, layers);
  PlacementPlan plan{
      .nodes = 10, .gpus_per_node = 1, .slots_per_node = 1, .experts = 3, .layers = {}};
  for (const auto& rows : layers) plan.layers.push_back({{}, rows});
  CHECK(naive::survivors(plan) == naive::closed_form(10, {2, 3, 4}));
  CHECK(minimal_host_sets(plan) == std::vector<HostSet>{{0, 1}, {2, 3, 4}, {5, 6, 7, 8}});
}

}  // namespace
}  // namespace bethany
