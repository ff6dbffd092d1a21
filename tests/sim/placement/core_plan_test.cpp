// Core plans (placement.md §6, §7). What is expected comes from counting loss sets, from scans of
// all sets of nodes and from published vectors, never from the library's own flows or curves.

#include "sim/placement/core_plan.h"

#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <numeric>

#include "sim/placement/makespan.h"
#include "tests/sim/placement/naive.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

/// t_e in proportion to 1 / (e + first)^power, shuffled by layer.
LoadMatrix zipf(int layers, int experts, double power, int first = 1) {
  LoadMatrix loads(layers, experts);
  for (int l = 0; l < layers; ++l) {
    for (int e = 0; e < experts; ++e) {
      const int rank = (e * 7 + l * 3) % experts;  // a permutation unless 7 divides the experts
      loads.row(l)[static_cast<std::size_t>(e)] =
          static_cast<std::int64_t>(1e6 / std::pow(rank + first, power));
    }
  }
  return loads;
}

std::uint32_t mask_of(const HostSet& nodes) {
  std::uint32_t mask = 0;
  for (const auto node : nodes) mask |= 1U << node;
  return mask;
}

std::vector<std::uint32_t> masks_of(const std::vector<HostSet>& sets) {
  std::vector<std::uint32_t> masks;
  for (const auto& set : sets) masks.push_back(mask_of(set));
  return masks;
}

/// max over node sets T of the tokens hosted inside T over |T|, divided by the mean: what the best
/// split reaches (placement.md §5.1), from all 2^N sets.
double scanned_max_over_mean(int nodes, const std::vector<HostSet>& hosts,
                             std::span<const std::int64_t> loads) {
  const auto masks = masks_of(hosts);
  double worst = 0;
  double sum = 0;
  for (const auto load : loads) sum += static_cast<double>(load);
  for (std::uint32_t inside = 1; inside < (1U << nodes); ++inside) {
    double held = 0;
    for (std::size_t e = 0; e < masks.size(); ++e) {
      if ((masks[e] & ~inside) == 0) held += static_cast<double>(loads[e]);
    }
    worst = std::max(worst, held / std::popcount(inside));
  }
  return worst * nodes / sum;
}

PlacementPlan made(const PlacementShape& shape, const LoadMatrix& loads,
                   const std::string& allocation = "core", const std::string& options = "{}") {
  auto rng = RngStreams(1, 0).stream("test");
  auto result = make_plan(
      *naive::part(allocations(), allocation, allocation == "core" ? options : "{}"),
      *naive::part(placements(), "core", options), shape, LayerOrder::aligned, loads, rng);
  REQUIRE(std::holds_alternative<PlacementPlan>(result));
  return std::get<PlacementPlan>(std::move(result));
}

/// The nodes of each expert's GPUs.
std::vector<std::uint32_t> nodes_of(const CoreLayer& layer, const PlacementShape& shape) {
  std::vector<std::uint32_t> masks;
  for (const auto& gpus : layer.gpus) {
    std::uint32_t mask = 0;
    for (const auto gpu : gpus) mask |= 1U << (gpu / shape.gpus_per_node);
    masks.push_back(mask);
  }
  return masks;
}

/// Whether every expert of every layer is on a whole set, at most once on a GPU, and no GPU is too
/// full.
bool sound(const CorePlan& plan, const PlacementShape& shape) {
  const auto sets = masks_of(plan.family.sets);
  for (const auto& layer : plan.layers) {
    if (layer.gpus.size() != static_cast<std::size_t>(shape.experts)) return false;
    std::vector<int> used(static_cast<std::size_t>(shape.ranks()));
    for (const auto& gpus : layer.gpus) {
      if (std::popcount(mask_of(gpus)) != static_cast<int>(gpus.size())) return false;
      for (const auto gpu : gpus) ++used[static_cast<std::size_t>(gpu)];
    }
    for (const auto mask : nodes_of(layer, shape)) {
      if (std::none_of(sets.begin(), sets.end(),
                       [&](std::uint32_t set) { return (set & ~mask) == 0; })) {
        return false;
      }
    }
    if (*std::max_element(used.begin(), used.end()) > shape.slots_per_gpu) return false;
  }
  return true;
}

TEST_CASE("core groups survive what the notes counted, over all 1,024 losses") {
  // placement.md §8: joint, on one family, N = 10.
  const std::vector<std::pair<std::vector<std::int32_t>, std::vector<std::int64_t>>> published = {
      {{3, 3, 4}, {1, 10, 45, 118, 195, 204, 126, 36, 0, 0, 0}},
      {{4, 5}, {1, 10, 45, 120, 209, 245, 190, 90, 20, 0, 0}},
      {{5, 5}, {1, 10, 45, 120, 210, 250, 200, 100, 25, 0, 0}}};
  for (const auto& [sizes, counts] : published) {
    const auto family = disjoint_family(10, 6, sizes, {});
    CHECK(naive::survivors(10, masks_of(family.sets)) == counts);
    for (std::size_t k = 0; k < counts.size(); ++k) {
      const auto all = static_cast<double>(naive::choose(10, static_cast<int>(k)));
      CHECK(family.recovery[k] == Approx(static_cast<double>(counts[k]) / all));
    }
  }
}

TEST_CASE("twelve layers of sixteen skewed experts are even on groups of 3, 3 and 4") {
  const auto shape = naive::shape(10, 6, 16);
  const auto loads = zipf(12, 16, .8, 2);
  const auto core = core_plan(shape, loads, {});
  CHECK(core.family.name() == "3+3+4");
  CHECK(core.worst_max_over_mean <= 1.0005);
  for (int l = 0; l < loads.layers; ++l) {
    const auto& layer = core.layers[static_cast<std::size_t>(l)];
    CHECK(layer.max_over_mean ==
          Approx(scanned_max_over_mean(10, layer.gpus, loads.row(l))).epsilon(1e-9));
  }
  // All layers together survive what one family survives.
  const auto plan = made(shape, loads);
  CHECK(naive::survivors(plan) ==
        std::vector<std::int64_t>{1, 10, 45, 118, 195, 204, 126, 36, 0, 0, 0});
}

TEST_CASE("the parts of the name core make the core plan") {
  const auto shape = naive::shape(10, 6, 12);
  const auto loads = zipf(3, 12, .6);
  for (const bool drop : {false, true}) {
    const std::string options = drop ? R"({"drop":true})" : "{}";
    const auto core = core_plan(shape, loads, {.drop = drop});
    const auto plan = made(shape, loads, "core", options);
    const auto rows = core.rows(shape);
    for (std::size_t l = 0; l < rows.size(); ++l) {
      CHECK(plan.layers[l].replicas == core.replicas()[l]);
      // Nodes of one GPU: the same rows, experts ascending.
      CHECK(plan.layers[l].expert_of_slot == rows[l]);
    }
    CHECK(naive::survivors(plan) == naive::survivors(10, masks_of(core.family.sets)));
  }
}

TEST_CASE("the number of groups may be given; one that no family has is not looked at") {
  const auto shape = naive::shape(10, 6, 16);
  const auto loads = zipf(3, 16, .6);
  const auto chosen = core_plan(shape, loads, {});
  for (const int groups : {3, 4, 5}) {
    const auto core = core_plan(shape, loads, {.groups = groups});
    CHECK(core.family.sets.size() == static_cast<std::size_t>(groups));
    std::uint32_t all = 0;
    for (const auto mask : masks_of(core.family.sets)) {
      CHECK((all & mask) == 0);
      all |= mask;
    }
    const auto options = "{\"groups\":" + std::to_string(groups) + "}";
    CHECK(naive::survivors(made(shape, loads, "core", options)) ==
          naive::survivors(10, masks_of(core.family.sets)));
  }
  CHECK(core_plan(shape, loads, {.groups = 17}).family.name() == chosen.family.name());
}

TEST_CASE("dropped hosts leave cores and balance as they are") {
  const auto shape = naive::shape(10, 6, 12);
  for (const double power : {.3, .6, 1.0}) {
    const auto loads = zipf(2, 12, power);
    for (const auto& family : core_families(shape)) {
      INFO(family.name() << " at " << power);
      const auto all = *core_plan_on(shape, loads, family, {});
      const auto fewer = *core_plan_on(shape, loads, family, {.drop = true});
      CHECK(sound(fewer, shape));
      CHECK(fewer.worst_max_over_mean <= std::max(all.worst_max_over_mean, 1.0005) + 1e-9);
      for (std::size_t l = 0; l < all.layers.size(); ++l) {
        for (std::size_t e = 0; e < 12; ++e) {
          CHECK((mask_of(fewer.layers[l].gpus[e]) & ~mask_of(all.layers[l].gpus[e])) == 0);
        }
      }
    }
  }
}

TEST_CASE("given counts bound the hosts, and their cores recover as mro does") {
  // placement.md §6.1, last sentence; §7: no plan of these counts survives more.
  const auto shape = naive::shape(10, 6, 16);
  const auto loads = zipf(6, 16, 1.0, 2);
  const auto plan = made(shape, loads, "proportional");
  auto rng = RngStreams(1, 0).stream("test");
  const auto mro = std::get<PlacementPlan>(make_plan(*naive::part(allocations(), "proportional"),
                                                     *naive::part(placements(), "mro"), shape,
                                                     LayerOrder::aligned, loads, rng));
  CHECK(naive::survivors(plan) == naive::survivors(mro));
  for (int l = 0; l < loads.layers; ++l) {
    const auto& layer = plan.layers[static_cast<std::size_t>(l)];
    CHECK(layer.replicas == mro.layers[static_cast<std::size_t>(l)].replicas);
    CHECK(naive::counted(layer, 16) == layer.replicas);
    std::vector<HostSet> hosts;
    std::vector<HostSet> of_mro;
    for (int e = 0; e < 16; ++e) {
      const auto mine = hosts_by_node(plan, l);
      const auto its = hosts_by_node(mro, l);
      hosts.emplace_back(mine.of(e).begin(), mine.of(e).end());
      of_mro.emplace_back(its.of(e).begin(), its.of(e).end());
    }
    CHECK(scanned_max_over_mean(10, hosts, loads.row(l)) <=
          scanned_max_over_mean(10, of_mro, loads.row(l)) + 1e-9);
    CHECK(scanned_max_over_mean(10, hosts, loads.row(l)) <= 1.001);
  }
}

TEST_CASE("the chosen family keeps the fault threshold where one can") {
  // Two layers of one hot expert: the most balanced families have small groups.
  auto shape = naive::shape(9, 4, 12);
  LoadMatrix loads(1, 12);
  std::fill(loads.values.begin(), loads.values.end(), 1);
  loads.values[0] = 1000;
  for (const int f : {1, 2, 3}) {
    shape.fault_threshold = f;
    const auto plan = core_plan(shape, loads, {});
    for (const auto& set : plan.family.sets) CHECK(static_cast<int>(set.size()) >= f);
  }
}

TEST_CASE("groups cross failure domains as far as the sizes allow") {
  const std::vector<std::int32_t> racks = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2};
  const auto family = disjoint_family(10, 6, {3, 3, 4}, racks);
  std::uint32_t all = 0;
  for (const auto& set : family.sets) {
    std::vector<int> in_rack(3);
    for (const auto node : set) ++in_rack[static_cast<std::size_t>(racks[std::size_t(node)])];
    CHECK(*std::min_element(in_rack.begin(), in_rack.end()) >= 1);
    CHECK((all & mask_of(set)) == 0);
    all |= mask_of(set);
  }
  CHECK(std::popcount(all) == 10);
  // The loss of any one rack is survived.
  for (int rack = 0; rack < 3; ++rack) {
    std::uint32_t lost = 0;
    for (int n = 0; n < 10; ++n) lost |= racks[std::size_t(n)] == rack ? 1U << n : 0U;
    for (const auto set : masks_of(family.sets)) CHECK((set & ~lost) != 0);
  }
  // One domain for each node says nothing: the same sizes.
  const std::vector<std::int32_t> alone = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(disjoint_family(10, 6, {3, 3, 4}, alone).recovery == family.recovery);
}

TEST_CASE("where every slot is needed a core plan is a packing") {
  // 40 nodes of 8 slots, 256 experts: at most 64 experts can have a second replica, so that at
  // least 24 nodes are the only ones of some expert, and 16 of 40 single losses at best survive.
  const auto shape = naive::shape(40, 8, 256);
  const auto loads = zipf(3, 256, 1.0, 5);
  const auto plan = core_plan(shape, loads, {});
  CHECK(plan.worst_max_over_mean <= kCoreBalance);
  CHECK(plan.family.recovery[1] <= 0.4);
  CHECK(plan.family.recovery[1] >= 0.2);
  for (const auto& layer : plan.replicas()) {
    CHECK(*std::min_element(layer.begin(), layer.end()) >= 1);
    CHECK(std::accumulate(layer.begin(), layer.end(), 0) <= 320);
  }
}

TEST_CASE("without loads all experts count the same, and one expert is on every node") {
  const auto shape = naive::shape(10, 6, 1);
  const auto plan = core_plan(shape, LoadMatrix(2, 1), {});
  REQUIRE(plan.layers.size() == 2);
  CHECK(plan.layers[0].gpus[0].size() == 10);
  const auto equal = core_plan(naive::shape(6, 2, 4), LoadMatrix(1, 4), {});
  CHECK(equal.worst_max_over_mean == 1);
}

TEST_CASE("core families are distinct, fit the experts and come best recovery first") {
  for (const auto& [nodes, slots, experts] : std::vector<std::tuple<int, int, int>>{
           {10, 6, 16}, {10, 6, 12}, {4, 2, 8}, {40, 8, 256}, {1, 6, 3}, {1000, 6, 16}}) {
    const auto families = disjoint_families(nodes, slots, experts, {});
    REQUIRE(!families.empty());
    for (std::size_t i = 0; i < families.size(); ++i) {
      const auto& family = families[i];
      std::int64_t lanes = 0;
      std::vector<char> seen(static_cast<std::size_t>(nodes));
      for (const auto& each : family.lanes) {
        lanes += each.count;
        for (const auto node : each.nodes) {
          CHECK(seen[static_cast<std::size_t>(node)] == 0);
          seen[static_cast<std::size_t>(node)] = 1;
        }
      }
      CHECK(lanes >= experts);
      if (i == 0) continue;
      CHECK(families[i - 1].recovery >= family.recovery);
      CHECK(families[i - 1].name() != family.name());
    }
  }
}

/// 1..9 nodes of one GPU or 1..5 of two, with 1..6 slots each, all of them possibly in use.
PlacementShape random_shape() {
  const int gpus = *rc::gen::inRange(1, 3);
  PlacementShape shape{.nodes = *rc::gen::inRange(1, gpus == 1 ? 10 : 6),
                       .gpus_per_node = gpus,
                       .slots_per_gpu = *rc::gen::inRange(1, gpus == 1 ? 7 : 4),
                       .fault_threshold = *rc::gen::inRange(1, 4)};
  shape.experts = *rc::gen::inRange(1, static_cast<int>(shape.slots()) + 1);
  return shape;
}

LoadMatrix random_loads(int layers, int experts) {
  LoadMatrix loads(layers, experts);
  for (auto& load : loads.values) load = *rc::gen::inRange<std::int64_t>(0, 1000);
  return loads;
}

TEST_CASE("any core plan: whole sets, no GPU too full, the family's recovery, exact balance") {
  CHECK(rc::check([] {
    auto shape = random_shape();
    const int layers = *rc::gen::inRange(1, 4);
    if (*rc::gen::arbitrary<bool>()) {
      for (int n = 0; n < shape.nodes; ++n) {
        shape.domain_of_node.push_back(*rc::gen::inRange(0, 3));
      }
    }
    const auto loads = random_loads(layers, shape.experts);
    const CoreOptions options{.drop = *rc::gen::arbitrary<bool>()};
    const auto plan = core_plan(shape, loads, options);
    RC_ASSERT(sound(plan, shape));

    const auto sets = masks_of(plan.family.sets);
    const auto family = naive::survivors(shape.nodes, sets);
    std::vector<std::uint32_t> all;
    for (int l = 0; l < layers; ++l) {
      const auto& layer = plan.layers[static_cast<std::size_t>(l)];
      const auto hosts = nodes_of(layer, shape);
      all.insert(all.end(), hosts.begin(), hosts.end());
      const auto row = loads.row(l);
      const bool loaded = std::any_of(row.begin(), row.end(), [](auto t) { return t > 0; });
      const Loads equal(static_cast<std::size_t>(shape.experts), 1);
      const double best = scanned_max_over_mean(
          shape.ranks(), layer.gpus, loaded ? row : std::span<const std::int64_t>(equal));
      RC_ASSERT(layer.max_over_mean >= 1 - 1e-12);
      RC_ASSERT(std::abs(layer.max_over_mean - best) < 1e-9);
    }
    const auto joint = naive::survivors(shape.nodes, all);
    const bool every_set_is_needed = std::all_of(sets.begin(), sets.end(), [&](std::uint32_t set) {
      return std::find(all.begin(), all.end(), set) != all.end();
    });
    for (std::size_t k = 0; k < joint.size(); ++k) {
      RC_ASSERT(joint[k] >= family[k]);
      RC_ASSERT(!every_set_is_needed || joint[k] == family[k]);
    }
    const auto again = core_plan(shape, loads, options);
    RC_ASSERT(again.replicas() == plan.replicas());
    RC_ASSERT(again.rows(shape) == plan.rows(shape));
  }));
}

TEST_CASE("any counts: the core placement hosts no more, fills what was allocated") {
  CHECK(rc::check([] {
    const auto shape = random_shape();
    const int layers = *rc::gen::inRange(1, 3);
    const auto loads = random_loads(layers, shape.experts);
    std::vector<Counts> replicas;
    for (int l = 0; l < layers; ++l) {
      Counts counts(static_cast<std::size_t>(shape.experts), 1);
      const auto spare = static_cast<int>(shape.slots()) - shape.experts;
      for (int left = *rc::gen::inRange(0, spare + 1); left > 0; --left) {
        ++counts[static_cast<std::size_t>(*rc::gen::inRange(0, shape.experts))];
      }
      replicas.push_back(counts);
    }
    const auto plan = bounded_core_plan(shape, loads, replicas);
    RC_ASSERT(sound(plan, shape));
    std::vector<std::uint32_t> all;
    for (std::size_t l = 0; l < replicas.size(); ++l) {
      for (std::size_t e = 0; e < replicas[l].size(); ++e) {
        RC_ASSERT(static_cast<std::int32_t>(plan.layers[l].gpus[e].size()) <= replicas[l][e]);
      }
      const auto hosts = nodes_of(plan.layers[l], shape);
      all.insert(all.end(), hosts.begin(), hosts.end());
    }
    const auto joint = naive::survivors(shape.nodes, all);
    const auto family = naive::survivors(shape.nodes, masks_of(plan.family.sets));
    for (std::size_t k = 0; k < joint.size(); ++k) RC_ASSERT(joint[k] >= family[k]);

    auto rng = RngStreams(1, 0).stream("test");
    const auto rows = std::get<LayerRows>(
        naive::part(placements(), "core")->place_layers(shape, replicas, loads, rng));
    for (std::size_t l = 0; l < rows.size(); ++l) {
      RC_ASSERT(naive::counted({replicas[l], rows[l]}, shape.experts) == replicas[l]);
    }
  }));
}

TEST_CASE("eight experts survive six of ten losses at an even load") {
  // placement.md §5.3, last row: overlapping sets, no slot to spare.
  const auto shape = naive::shape(10, 6, 8);
  const auto plan = core_plan(shape, zipf(4, 8, .5, 2), {});
  CHECK(plan.worst_max_over_mean <= 1.0005);
  const auto counts = naive::survivors(10, masks_of(plan.family.sets));
  const std::vector<std::int64_t> published = {1, 10, 45, 120, 210, 252, 210, 118, 37, 0, 0};
  CHECK(counts >= published);
}

TEST_CASE("GPUs of a node share its hot experts") {
  // Eight nodes of eight GPUs: on nodes alone two hosts look enough for the hottest expert, on GPUs
  // it needs many.
  PlacementShape shape{.nodes = 16, .gpus_per_node = 8, .slots_per_gpu = 2, .experts = 64};
  const auto loads = zipf(2, 64, 1.0, 5);
  const auto plan = made(shape, loads);
  for (int l = 0; l < loads.layers; ++l) {
    const auto row = loads.row(l);
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    const double most = min_makespan(hosts_by_rank(plan, l), row).value() * plan.ranks() / sum;
    CHECK(most <= kCoreBalance);
  }
}

}  // namespace
}  // namespace bethany
