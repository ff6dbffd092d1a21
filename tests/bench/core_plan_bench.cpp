// Core plans at the sizes of the papers and of large clusters: counts and hosts of all layers
// together, with the choice of the family. Processor time, medians of the turns, beside the
// proportional counts with `mro` of the same loads, which choose nothing. Skewed loads: token share
// of the i-th hottest expert as 1 / (i + 5)^power, in another order in each layer.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <numeric>

#include "sim/base/digest.h"
#include "sim/base/object_reader.h"
#include "sim/placement/core_plan.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

LoadMatrix layered_loads(int layers, int experts, double power) {
  LoadMatrix loads(layers, experts);
  auto rng = RngStreams(7, 0).stream("loads");
  std::vector<std::int32_t> order(static_cast<std::size_t>(experts));
  for (int l = 0; l < layers; ++l) {
    std::iota(order.begin(), order.end(), 0);
    rng.shuffle(order);
    for (int i = 0; i < experts; ++i) {
      loads.row(l)[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] =
          static_cast<std::int64_t>(1e9 / std::pow(i + 5, power));
    }
  }
  return loads;
}

template <class Work>
double median_ms(
    int turns, const Work& work, const std::function<void()>& between = [] {}) {
  std::vector<double> times;
  for (int turn = 0; turn < turns; ++turn) {
    between();
    const auto start = std::clock();
    work();
    times.push_back(static_cast<double>(std::clock() - start) * 1e3 / CLOCKS_PER_SEC);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

struct Case {
  const char* name;
  int layers;
  PlacementShape shape;
};

void bench(const Case& at, double power, int turns, Digest& digest) {
  const auto loads = layered_loads(at.layers, at.shape.experts, power);
  CorePlan plan;
  // The last plan is kept, so that the same question again would cost nothing: another comes
  // between.
  const LoadMatrix none(1, at.shape.experts);
  const double ours = median_ms(
      turns,
      [&] {
        plan = core_plan(at.shape, loads, {});
        plan.rows(at.shape);
      },
      [&] { core_plan(at.shape, none, {.groups = 1}); });
  const auto allocation = part(allocations(), "proportional");
  const auto placement = part(placements(), "mro");
  const double mro = median_ms(turns, [&] {
    Rng rng = RngStreams(1, 0).stream("placement");
    make_plan(*allocation, *placement, at.shape, LayerOrder::aligned, loads, rng);
  });
  double mean = 0;
  for (const auto& layer : plan.layers) mean += layer.max_over_mean / at.layers;
  fmt::print(
      "{:40} power {:.1f}: {:9.2f} ms, {:7.3f} ms a layer, proportional + mro {:8.2f} ms; "
      "groups {}, max/mean {:.4f} (worst {:.4f}), P(recover | 1) {:.3f}\n",
      at.name, power, ours, ours / at.layers, mro, plan.family.name(), mean,
      plan.worst_max_over_mean, plan.family.recovery[std::min<std::size_t>(1, at.shape.nodes)]);
  for (const auto& row : plan.replicas()) {
    for (const auto count : row) digest.add(std::int64_t{count});
  }
}

void run(bool quick) {
  const auto shape = [](int experts, int nodes, int gpus, int slots) {
    return PlacementShape{
        .nodes = nodes, .gpus_per_node = gpus, .slots_per_gpu = slots, .experts = experts};
  };
  const std::vector<Case> cases = {
      {"12 x 16 on 10 nodes of 6", 12, shape(16, 10, 1, 6)},
      {"58 x 256 on 40 nodes of 8", 58, shape(256, 40, 1, 8)},
      {"58 x 256 on 64 nodes of 8 GPUs x 4", 58, shape(256, 64, 8, 4)},
      {"61 x 512 on 2,048 nodes of 2", 61, shape(512, 2048, 1, 2)},
      {"61 x 512 on 256 nodes of 8 GPUs x 2", 61, shape(512, 256, 8, 2)},
      {"12 x 16 on 1,000 nodes of 6", 12, shape(16, 1000, 1, 6)},
      {"12 x 16 on 10,000 nodes of 6", 12, shape(16, 10000, 1, 6)},
      {"1 x 256 on 1,000 nodes of 6", 1, shape(256, 1000, 1, 6)},
      {"1 x 256 on 10,000 nodes of 6", 1, shape(256, 10000, 1, 6)}};
  Digest digest;
  for (const auto& at : cases) {
    for (const double power : {0.6, 1.0}) {
      if (quick && (power < 1 || at.layers * at.shape.slots() > 20'000)) continue;
      bench(at, power, quick ? 1 : 5, digest);
    }
  }
  fmt::print("digest {}\n", digest.hex());
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  bethany::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
  return 0;
}
