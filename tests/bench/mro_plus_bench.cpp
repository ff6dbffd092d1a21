// mro+ at sizes from the papers' cluster to 10,000 nodes: time of a plan, the ratio to mro and the
// growth when nodes or experts double. Counts are Eq. 1 of a few busy experts and a long tail; the
// E of the truncated rows leave the last group short, so that the groups do not fit. The digest
// covers the plans. `--quick` runs the smallest of each.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/base/digest.h"
#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/survival_bound.h"
#include "tests/bench/placement_cases.h"

namespace bethany {
namespace {

using Clock = std::chrono::steady_clock;

LoadMatrix layered_loads(int layers, int experts, double exponent) {
  LoadMatrix loads(layers, experts);
  const RngStreams streams(1, 0);
  for (int layer = 0; layer < layers; ++layer) {
    std::vector<std::int64_t> row;
    for (int e = 0; e < experts; ++e) {
      row.push_back(static_cast<std::int64_t>(4e9 / std::pow(e + 1 + layer, exponent)));
    }
    auto rng = streams.stream("loads", static_cast<std::uint64_t>(layer));
    rng.shuffle(row);
    std::copy(row.begin(), row.end(), loads.row(layer).begin());
  }
  return loads;
}

struct Case {
  int nodes;
  int slots;
  int experts;
  int layers;
  double exponent;
};

/// Median milliseconds of three plans of all layers, and how many layers' groups do not fit.
double time_ms(const Case& at, std::string_view placement, Digest& digest, int& truncated) {
  const PlacementShape shape{.nodes = at.nodes,
                             .gpus_per_node = 1,
                             .slots_per_gpu = at.slots,
                             .experts = at.experts,
                             .nodes_per_server = 1,
                             .fault_threshold = 2};
  const auto loads = layered_loads(at.layers, at.experts, at.exponent);
  const auto made = part(allocations(), "proportional")->allocate_layers(shape, loads);
  const auto& replicas = std::get<ReplicaRows>(made);
  truncated = 0;
  for (const auto& counts : replicas) {
    std::int64_t sum = 0;
    for (const auto size : group_representatives(counts, at.slots)) sum += size;
    truncated += sum > at.nodes ? 1 : 0;
  }
  const auto maker = part(placements(), placement);
  std::vector<double> times;
  for (int turn = 0; turn < 3; ++turn) {
    auto rng = RngStreams(1, 0).stream("bench");
    const auto start = Clock::now();
    const auto placed = maker->place_layers(shape, replicas, loads, rng);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    if (turn > 0) continue;
    for (const auto& rows : std::get<LayerRows>(placed)) {
      for (const auto expert : rows) digest.add(std::int64_t{expert});
    }
  }
  std::sort(times.begin(), times.end());
  return times[1];
}

void print_row(const Case& at, double previous_ms, Digest& digest, double& ours) {
  int truncated = 0;
  ours = time_ms(at, "mro+", digest, truncated);
  const double mro = time_ms(at, "mro", digest, truncated);
  fmt::print(
      "{:>6} x {} slots, {:>4} experts, {:>2} layers ({:>2} truncated) {:>10.3f} ms {:>8.1f} x mro",
      at.nodes, at.slots, at.experts, at.layers, truncated, ours, ours / mro);
  if (previous_ms > 0) fmt::print("  {:>5.2f} x the row above", ours / previous_ms);
  fmt::print("\n");
}

void series(std::string_view title, const std::vector<Case>& cases, bool quick, Digest& digest) {
  fmt::print("{}\n", title);
  double previous = 0;
  for (const auto& at : cases) {
    print_row(at, previous, digest, previous);
    if (quick) break;
  }
}

}  // namespace
}  // namespace bethany

int main(int argc, char** argv) {
  using namespace bethany;
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  Digest digest;
  series("groups fit: all layers of DeepSeek-V3, 40 nodes of 8 slots",
         {{40, 8, 256, 58, 1.2}, {256, 16, 512, 61, 1.2}}, quick, digest);
  series("the papers' cluster, truncated", {{10, 6, 8, 12, 0.3}, {10, 6, 16, 12, 0.1}}, quick,
         digest);
  series("nodes double, 129 experts",
         {{125, 8, 129, 1, 0.1},
          {250, 8, 129, 1, 0.1},
          {500, 8, 129, 1, 0.1},
          {1000, 8, 129, 1, 0.1},
          {2000, 8, 129, 1, 0.1}},
         quick, digest);
  series("experts double, 1,000 nodes",
         {{1000, 8, 17, 1, 0.3},
          {1000, 8, 33, 1, 0.3},
          {1000, 8, 65, 1, 0.3},
          {1000, 8, 129, 1, 0.1},
          {1000, 8, 257, 1, 0.1}},
         quick, digest);
  series("10,000 nodes", {{10000, 6, 101, 1, 0.1}, {10000, 6, 1003, 1, 0.05}}, quick, digest);
  fmt::print("digest {}\n", digest.hex());
  return 0;
}
