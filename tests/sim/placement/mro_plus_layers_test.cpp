// Several layers of mro+ on one order of nodes, and failure domains.

#include <rapidcheck.h>

#include <numeric>
#include <set>

#include "sim/placement/domain_order.h"
#include "sim/placement/survival_bound.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;

PlacementPlan layers_of(const std::string& placement, const PlacementShape& shape,
                        const std::vector<Counts>& replicas, const LoadMatrix& loads) {
  auto rng = RngStreams(1, 0).stream("test");
  auto placed = naive::part(placements(), placement)->place_layers(shape, replicas, loads, rng);
  REQUIRE(std::holds_alternative<LayerRows>(placed));
  PlacementPlan plan{.nodes = shape.nodes,
                     .gpus_per_node = 1,
                     .slots_per_node = shape.slots_per_node(),
                     .experts = shape.experts,
                     .layers = {}};
  auto& rows = std::get<LayerRows>(placed);
  for (std::size_t l = 0; l < rows.size(); ++l) plan.layers.push_back({replicas[l], rows[l]});
  return plan;
}

LoadMatrix no_loads(const std::vector<Counts>& replicas) {
  return LoadMatrix(static_cast<int>(replicas.size()), static_cast<int>(replicas[0].size()));
}

/// As counted, each layer and all of them.
void check_counts(const PlacementPlan& plan) {
  for (const auto& layer : plan.layers) {
    REQUIRE(naive::counted(layer, plan.experts) == layer.replicas);
  }
}

TEST_CASE("layers of equal counts, whoever is rare, survive together what one survives") {
  const Counts counts{7, 7, 7, 7, 8, 8, 8, 8};
  const std::vector<Counts> layers{counts, {8, 7, 8, 7, 8, 7, 8, 7}, {8, 8, 8, 8, 7, 7, 7, 7}};
  const auto plan = layers_of("mro+", naive::shape(10, 6, 8), layers, no_loads(layers));
  check_counts(plan);
  CHECK(naive::survivors(plan) ==
        std::vector<std::int64_t>{1, 10, 45, 120, 210, 252, 210, 118, 37, 0, 0});
}

TEST_CASE("layers of different counts survive together at least what their common core does") {
  // The smaller counts are (7,7,7,7,7,8,8,8): the third layer alone cannot be above their sum's
  // bound.
  const std::vector<Counts> layers{{7, 7, 7, 7, 8, 8, 8, 8}, {7, 7, 7, 7, 7, 7, 9, 9}};
  const auto plan = layers_of("mro+", naive::shape(10, 6, 8), layers, no_loads(layers));
  check_counts(plan);
  const auto core = naive::survivors(naive::plan("mro+", 10, 6, {7, 7, 7, 7, 7, 7, 8, 8}));
  CHECK(naive::survivors(plan) >= core);
}

TEST_CASE("layers whose groups fit nest as those of mro do") {
  const std::vector<Counts> layers{Counts(12, 5), {3, 3, 3, 3, 3, 3, 7, 7, 7, 7, 7, 7}};
  const auto shape = naive::shape(10, 6, 12);
  CHECK(layers_of("mro+", shape, layers, no_loads(layers)) ==
        layers_of("mro", shape, layers, no_loads(layers)));
}

TEST_CASE("all layers together are never below those of mro, spread and packed, nor each alone") {
  const auto result = rc::check("joint", [] {
    const int nodes = *rc::gen::inRange(2, 10);
    const int slots = *rc::gen::inRange(1, 5);
    const int experts = *rc::gen::inRange(1, std::min(nodes * slots, 10) + 1);
    std::vector<Counts> layers(*rc::gen::inRange<std::size_t>(2, 4));
    LoadMatrix loads(static_cast<int>(layers.size()), experts);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      layers[l].assign(static_cast<std::size_t>(experts), 1);
      for (int i = experts; i < nodes * slots; ++i) {
        ++layers[l][*rc::gen::inRange<std::size_t>(0, static_cast<std::size_t>(experts))];
      }
      for (auto& load : loads.row(static_cast<int>(l))) load = *rc::gen::inRange(0, 100);
    }
    const auto shape = naive::shape(nodes, slots, experts);
    const auto plan = layers_of("mro+", shape, layers, loads);
    check_counts(plan);
    const auto ours = naive::survivors(plan);
    for (const std::string other : {"mro", "spread", "packed"}) {
      if (placements().find(other) == nullptr) continue;
      RC_ASSERT(ours >= naive::survivors(layers_of(other, shape, layers, loads)));
    }
    PlacementPlan alone = plan;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      auto rng = RngStreams(1, 0).stream("test");
      auto placed = naive::part(placements(), "mro+")
                        ->place(shape, layers[l], loads.row(static_cast<int>(l)), rng);
      alone.layers[l].expert_of_slot = std::get<std::vector<std::int32_t>>(placed);
    }
    RC_ASSERT(ours >= naive::survivors(alone));
  });
  CHECK(result);
}

/// How many experts lie in one domain, counted slot by slot.
int experts_inside(const PlacementPlan& plan, const std::vector<std::int32_t>& domain_of) {
  int inside = 0;
  for (int e = 0; e < plan.experts; ++e) {
    std::set<std::int32_t> domains;
    for (int node = 0; node < plan.nodes; ++node) {
      for (const auto expert : plan.node_slots(0, node)) {
        if (expert == e) domains.insert(domain_of[static_cast<std::size_t>(node)]);
      }
    }
    inside += domains.size() == 1 ? 1 : 0;
  }
  return inside;
}

PlacementPlan with_domains(const std::string& placement, int nodes, int slots, const Counts& counts,
                           const std::vector<std::int32_t>& domain_of) {
  auto shape = naive::shape(nodes, slots, static_cast<int>(counts.size()));
  shape.domain_of_node = domain_of;
  const std::vector<Counts> layers{counts};
  return layers_of(placement, shape, layers, no_loads(layers));
}

TEST_CASE("mro+ lets groups cross racks and survives the same") {
  // Two racks of five nodes, groups of five: MRO's groups are the racks.
  const std::vector<std::int32_t> racks{0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  const Counts counts(12, 5);
  CHECK(experts_inside(naive::plan("mro", 10, 6, counts), racks) == 12);
  const auto plan = with_domains("mro+", 10, 6, counts, racks);
  check_counts(plan);
  CHECK(experts_inside(plan, racks) == 0);
  CHECK(naive::survivors(plan) == naive::closed_form(10, {5, 5}));
}

TEST_CASE("a renumbering of nodes for domains is a permutation that is never worse") {
  const auto result = rc::check("domains", [] {
    const int nodes = *rc::gen::inRange(2, 20);
    const int domains = *rc::gen::inRange(1, 6);
    std::vector<std::int32_t> domain_of;
    for (int n = 0; n < nodes; ++n) domain_of.push_back(*rc::gen::inRange(0, domains));
    std::vector<HostSet> sets(*rc::gen::inRange<std::size_t>(1, 8));
    for (auto& set : sets) {
      std::set<std::int32_t> of;
      const int size = *rc::gen::inRange(1, 5);
      for (int i = 0; i < size; ++i) of.insert(*rc::gen::inRange(0, nodes));
      set.assign(of.begin(), of.end());
    }
    const auto target = cross_domains(host_bits(nodes, sets), domain_of);
    auto sorted = target;
    std::sort(sorted.begin(), sorted.end());
    for (int n = 0; n < nodes; ++n) RC_ASSERT(sorted[static_cast<std::size_t>(n)] == n);
    const auto inside = [&](bool moved) {
      DomainExposure exposure;
      std::set<std::int32_t> fatal;
      for (const auto& set : sets) {
        std::set<std::int32_t> of;
        for (const auto n : set) {
          const auto node = moved ? target[static_cast<std::size_t>(n)] : n;
          of.insert(domain_of[static_cast<std::size_t>(node)]);
        }
        if (of.size() > 1) continue;
        ++exposure.sets_inside;
        fatal.insert(*of.begin());
      }
      exposure.fatal_domains = static_cast<int>(fatal.size());
      return exposure;
    };
    RC_ASSERT(domain_exposure(host_bits(nodes, sets), domain_of) == inside(false));
    RC_ASSERT(inside(true) <= inside(false));
  });
  CHECK(result);
}

TEST_CASE("domain-spread is spread where there are no domains to cross") {
  const Counts counts{2, 2, 3, 3, 4, 4};
  const auto spread = naive::plan("spread", 6, 3, counts);
  CHECK(naive::plan("domain-spread", 6, 3, counts) == spread);
  CHECK(with_domains("domain-spread", 6, 3, counts, {0, 1, 2, 3, 4, 5}) == spread);
  CHECK(with_domains("domain-spread", 6, 3, counts, {0, 0, 0, 0, 0, 0}) == spread);
}

TEST_CASE("domain-spread meets as many domains as replicas allow, in equal numbers") {
  // Three racks of four nodes; spread puts two replicas on neighbours in one rack.
  const std::vector<std::int32_t> racks{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  const Counts counts{2, 2, 2, 2, 2, 2, 3, 3, 6, 6, 6};
  CHECK(experts_inside(naive::plan("spread", 12, 3, counts), racks) > 0);
  const auto plan = with_domains("domain-spread", 12, 3, counts, racks);
  check_counts(plan);
  for (int e = 0; e < plan.experts; ++e) {
    std::vector<int> in_rack(3);
    for (int node = 0; node < 12; ++node) {
      for (const auto expert : plan.node_slots(0, node)) {
        if (expert == e) ++in_rack[static_cast<std::size_t>(racks[static_cast<std::size_t>(node)])];
      }
    }
    const auto [least, most] = std::minmax_element(in_rack.begin(), in_rack.end());
    CHECK(*most - *least <= 1);
  }
}

TEST_CASE(
    "domain-spread keeps replicas on different nodes, and nodes level, whatever the domains") {
  const auto result = rc::check("nodes", [] {
    const int nodes = *rc::gen::inRange(2, 12);
    const int slots = *rc::gen::inRange(1, 5);
    const int experts = *rc::gen::inRange(1, nodes * slots + 1);
    Counts counts(static_cast<std::size_t>(experts), 1);
    const int spare = *rc::gen::inRange(0, nodes * slots - experts + 1);
    for (int i = 0; i < spare; ++i) {
      ++counts[*rc::gen::inRange<std::size_t>(0, static_cast<std::size_t>(experts))];
    }
    std::vector<std::int32_t> domain_of;
    for (int n = 0; n < nodes; ++n) domain_of.push_back(*rc::gen::inRange(0, 4));
    const auto plan = with_domains("domain-spread", nodes, slots, counts, domain_of);
    check_counts(plan);
    const auto masks = naive::hosts(plan);
    for (std::size_t e = 0; e < masks.size(); ++e) {
      RC_ASSERT(__builtin_popcount(masks[e]) == std::min(counts[e], nodes));
    }
    const int sum = experts + spare;
    for (int node = 0; node < nodes; ++node) {
      const auto held = plan.node_slots(0, node);
      const auto used = static_cast<int>(
          std::count_if(held.begin(), held.end(), [](auto e) { return e != kVacant; }));
      RC_ASSERT((used == sum / nodes || used == (sum + nodes - 1) / nodes));
    }
  });
  CHECK(result);
}

}  // namespace
}  // namespace bethany
