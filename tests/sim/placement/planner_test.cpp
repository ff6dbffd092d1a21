#include <rapidcheck.h>

#include <set>

#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using naive::Counts;
using naive::Loads;

PlacementPlan plan_of(const std::string& placement, const PlacementShape& shape,
                      const LoadMatrix& loads, LayerOrder order = LayerOrder::aligned,
                      std::uint64_t seed = 1) {
  auto rng = RngStreams(seed, 0).stream("test");
  auto made = make_plan(*naive::part(allocations(), "proportional"),
                        *naive::part(placements(), placement), shape, order, loads, rng);
  REQUIRE(std::holds_alternative<PlacementPlan>(made));
  return std::get<PlacementPlan>(std::move(made));
}

LoadMatrix random_loads(int layers, int experts) {
  LoadMatrix loads(layers, experts);
  for (auto& load : loads.values) load = *rc::gen::inRange<std::int64_t>(0, 1000);
  return loads;
}

TEST_CASE("aligned mro layers recover jointly as their common cores do") {
  CHECK(rc::check([] {
    const int nodes = *rc::gen::inRange(2, 11);
    const int slots = *rc::gen::inRange(1, 7);
    const int experts = *rc::gen::inRange(1, std::min(nodes * slots, 16) + 1);
    const int layers = *rc::gen::inRange(1, 6);
    const auto plan =
        plan_of("mro", naive::shape(nodes, slots, experts), random_loads(layers, experts));
    std::vector<int> cores;
    for (const auto& layer : plan.layers) {
      auto sizes = naive::mro_groups(nodes, slots, layer.replicas);
      std::sort(sizes.begin(), sizes.end());
      if (cores.empty()) cores = sizes;
      for (std::size_t i = 0; i < cores.size(); ++i) cores[i] = std::min(cores[i], sizes[i]);
    }
    RC_ASSERT(naive::survivors(plan) == naive::closed_form(nodes, cores));
    RC_ASSERT(naive::library_survivors(plan) == naive::closed_form(nodes, cores));
  }));
}

TEST_CASE("every layer alone recovers as if it were planned alone, in either order") {
  CHECK(rc::check([] {
    const auto placement = *rc::gen::element<std::string>("mro", "spread", "compact");
    const auto shape = naive::shape(*rc::gen::inRange(3, 9), 4, 8);
    const auto loads = random_loads(3, 8);
    const auto order = *rc::gen::element(LayerOrder::aligned, LayerOrder::independent);
    auto plan = plan_of(placement, shape, loads, order);
    for (int l = 0; l < 3; ++l) {
      auto alone = plan;
      alone.layers = {plan.layers[static_cast<std::size_t>(l)]};
      const auto single =
          plan_of(placement, shape, naive::one_layer({loads.row(l).begin(), loads.row(l).end()}));
      RC_ASSERT(naive::survivors(alone) == naive::survivors(single));
      RC_ASSERT(naive::counted(alone.layers[0], 8) == alone.layers[0].replicas);
    }
  }));
}

TEST_CASE("independent orders differ by layer and depend on the seed alone") {
  const auto shape = naive::shape(10, 6, 16);
  LoadMatrix loads(12, 16);
  for (std::size_t i = 0; i < loads.values.size(); ++i) {
    loads.values[i] = static_cast<std::int64_t>(i % 16 * i % 7 + 1);
  }
  const auto a = plan_of("mro", shape, loads, LayerOrder::independent, 5);
  CHECK(a == plan_of("mro", shape, loads, LayerOrder::independent, 5));
  CHECK_FALSE(a == plan_of("mro", shape, loads, LayerOrder::independent, 6));
  const auto aligned = plan_of("mro", shape, loads);
  CHECK(naive::survivors(a)[3] < naive::survivors(aligned)[3]);
}

TEST_CASE("a node's replicas go heaviest first onto its least loaded GPU with room") {
  // One node of two GPUs of three slots; replicas weigh 6, 4, 3, 2, 1.
  const auto plan =
      plan_of("mro", naive::shape(1, 6, 6, 2, 1), naive::one_layer({1, 6, 2, 4, 3, 0}));
  // GPU 0: 6, 2, 0 (experts 1, 2, 5) and GPU 1: 4, 3, 1 (3, 4, 0).
  CHECK(plan.layers[0].expert_of_slot == std::vector<std::int32_t>{1, 2, 5, 0, 3, 4});
}

TEST_CASE("copies of one expert on a node go to different GPUs, also without loads") {
  const auto plan = plan_of("mro", naive::shape(1, 8, 4, 2), naive::one_layer({0, 0, 0, 0}));
  CHECK(plan.layers[0].expert_of_slot == std::vector<std::int32_t>{0, 1, 2, 3, 0, 1, 2, 3});
}

TEST_CASE("the GPU pass only orders what a node holds") {
  CHECK(rc::check([] {
    const int gpus = *rc::gen::inRange(1, 5);
    const auto shape = naive::shape(*rc::gen::inRange(1, 5), gpus * *rc::gen::inRange(1, 4),
                                    *rc::gen::inRange(1, 5), gpus);
    RC_PRE(shape.slots() >= shape.experts);
    const auto plan = plan_of("random", shape, random_loads(2, shape.experts));
    for (const auto& layer : plan.layers) {
      RC_ASSERT(naive::counted(layer, shape.experts) == layer.replicas);
      for (int rank = 0; rank < shape.ranks(); ++rank) {
        const auto first = layer.expert_of_slot.begin() + rank * shape.slots_per_gpu;
        const auto last = std::find(first, first + shape.slots_per_gpu, kVacant);
        RC_ASSERT(std::is_sorted(first, last));
        RC_ASSERT(std::all_of(last, first + shape.slots_per_gpu,
                              [](std::int32_t e) { return e == kVacant; }));
      }
    }
  }));
}

TEST_CASE("EP groups keep their ranks whatever the layer order") {
  const auto shape = naive::shape(4, 4, 8);
  auto rng = RngStreams(1, 0).stream("test");
  const auto made =
      make_plan(*naive::part(allocations(), "ep"), *naive::part(placements(), "ep-groups"), shape,
                LayerOrder::independent, LoadMatrix(2, 8), rng);
  const auto& plan = std::get<PlacementPlan>(made);
  const std::vector<std::int32_t> expected{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  CHECK(plan.layers[0].expert_of_slot == expected);
  CHECK(plan.layers[1].expert_of_slot == expected);
}

TEST_CASE("an infeasible part makes the plan infeasible with its reason") {
  auto rng = RngStreams(1, 0).stream("test");
  const auto made =
      make_plan(*naive::part(allocations(), "proportional"), *naive::part(placements(), "mro"),
                naive::shape(1, 2, 3), LayerOrder::aligned, LoadMatrix(4, 3), rng);
  CHECK(std::get<Infeasible>(made).reason ==
        "1 nodes of 2 slots hold 2 replicas; 3 experts need one each");
}

}  // namespace
}  // namespace bethany
