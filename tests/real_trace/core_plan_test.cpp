// Core plans on the loads of the SmartMoE artifact: the numbers of placement.md §5.3 and §6.

#include "sim/placement/core_plan.h"
#include "sim/placement/makespan.h"
#include "sim/placement/objectives.h"
#include "tests/real_trace/smartmoe.h"

namespace bethany {
namespace {

using namespace smartmoe;

PlacementShape shape_of(int experts) {
  return {.nodes = 10,
          .gpus_per_node = 1,
          .slots_per_gpu = 6,
          .experts = experts,
          .nodes_per_server = 2,
          .fault_threshold = 2};
}

Planned made(int iteration, int experts, const std::string& allocation) {
  const auto shape = shape_of(experts);
  auto loads = loads_of(iteration, experts, Busiest::in_snapshot);
  Rng rng = RngStreams(1, 0).stream("test");
  auto plan = make_plan(*part(allocations(), allocation), *part(placements(), "core"), shape,
                        LayerOrder::aligned, loads, rng);
  return {shape, std::move(loads), std::get<PlacementPlan>(std::move(plan))};
}

double best_imbalance(const Planned& at, int layer) {
  const auto loads = at.loads.row(layer);
  const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  return min_makespan(hosts_by_rank(at.plan, layer), loads).value() * at.plan.ranks() / sum;
}

void check_curve(const PlacementPlan& plan, const std::vector<double>& published) {
  const auto curve = recovery_curve(plan, static_cast<int>(published.size()));
  REQUIRE(curve.has_value());
  for (std::size_t k = 1; k <= published.size(); ++k) {
    CHECK(curve->probability[k] == Approx(published[k - 1]).margin(6e-4));
  }
}

/// The core plan of groups of these sizes for the busiest experts of a snapshot.
CorePlan core_plan_at(int iteration, int experts, const std::vector<std::int32_t>& sizes) {
  return *core_plan_on(shape_of(experts), loads_of(iteration, experts, Busiest::in_snapshot),
                       disjoint_family(10, 6, sizes, {}), {});
}

TEST_CASE("real trace: core plans balance all 48 layers of GPT-L and GPT-S") {
  // placement.md §5.3, §6.1: at most 1.0005 on groups of 3, 3, 4; and its last row.
  for (const int iteration : {101, 201, 1001, 4001}) {
    const auto large = made(iteration, 16, "core");
    CHECK(core_plan_at(iteration, 16, {3, 3, 4}).worst_max_over_mean <= 1.0005);
    check_curve(large.plan, {1, 1, .983, .929, .810, .600});
    const auto small = made(iteration, 8, "core");
    check_curve(small.plan, {1, 1, 1, 1, 1, 1, .983, .822});
    for (const auto* at : {&large, &small}) {
      for (int l = 0; l < kLayers; ++l) CHECK(best_imbalance(*at, l) <= 1.0005);
    }
  }
}

TEST_CASE("real trace: core plans of GPT-M beside those that annealing found") {
  // placement.md §5.3: mean of 12 layers at 101, 201, 1001, 4001, and the worst of 48.
  struct Row {
    std::vector<std::int32_t> sizes;
    std::vector<double> annealed;
    double worst;
  };
  for (const auto& row : {Row{{4, 5}, {1.000, 1.000, 1.000, 1.008}, 1.065},
                          Row{{4, 6}, {1.025, 1.013, 1.012, 1.013}, 1.150},
                          Row{{5, 5}, {1.020, 1.033, 1.059, 1.074}, 1.278}}) {
    const std::vector<int> iterations = {101, 201, 1001, 4001};
    double worst = 1;
    for (std::size_t i = 0; i < iterations.size(); ++i) {
      const auto plan = core_plan_at(iterations[i], 12, row.sizes);
      double mean = 0;
      for (const auto& layer : plan.layers) mean += layer.max_over_mean / kLayers;
      INFO(plan.family.name() << " at " << iterations[i] << ": " << mean);
      CHECK(mean <= row.annealed[i] + .002);
      worst = std::max(worst, plan.worst_max_over_mean);
    }
    CHECK(worst <= row.worst + .0006);
  }
}

TEST_CASE("real trace: Eq. 1's counts on their cores recover as MRO does, at an even load") {
  // placement.md §5.3: cores (2, 2, 2) and (2, 2); §7: no plan of these counts survives more.
  for (const int iteration : {101, 201, 1001, 4001}) {
    const auto large = made(iteration, 16, "proportional");
    check_curve(large.plan, {1, .933, .800, .614, .405, .210});
    const auto medium = made(iteration, 12, "proportional");
    check_curve(medium.plan, {1, .956, .867, .738, .579, .405});
    for (const auto* at : {&large, &medium}) {
      for (int l = 0; l < kLayers; ++l) CHECK(best_imbalance(*at, l) <= 1.001);
    }
  }
}

TEST_CASE("real trace: on the frontier the core plan is ahead of mro, spread and packed") {
  ObjectiveRequest request{.shape = shape_of(16), .loads = loads_of(201, 16, Busiest::in_snapshot)};
  request.dominated = true;
  const auto plans = std::get<std::vector<FrontierPlan>>(frontier(request));
  const auto& core = plans.front();
  CHECK(core.family == "3+3+4");
  CHECK(!core.dominated);
  int beaten = 0;
  for (const auto& plan : plans) {
    const bool baseline =
        plan.allocation == "proportional" &&
        (plan.placement == "mro" || plan.placement == "spread" || plan.placement == "packed");
    if (!baseline) continue;
    ++beaten;
    INFO(plan.placement);
    CHECK(core.worst_max_over_mean <= plan.worst_max_over_mean + kEqualBalance);
    for (std::size_t k = 1; k < plan.recovery.size(); ++k) {
      CHECK(core.recovery[k] >= plan.recovery[k]);
    }
    CHECK(core.recovery[2] > plan.recovery[2]);
  }
  CHECK(beaten >= 2);
}

}  // namespace
}  // namespace bethany
