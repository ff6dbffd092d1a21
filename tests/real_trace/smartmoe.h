#pragma once

// Loads of the SmartMoE artifact that the Lazarus paper used, and plans made for them:
// $BETHANY_TRACES/smartmoe-GPL3/moe_trace.

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/base/files.h"
#include "sim/base/json.h"
#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/recovery.h"
#include "tests/support/catch.h"

namespace bethany::smartmoe {

inline constexpr int kLayers = 12;
inline constexpr int kRanks = 16;
inline constexpr int kTracedExperts = 32;

using Sums = std::vector<std::vector<std::int64_t>>;  // [layer][traced expert]

/// Adds a file's loads, summed over micro-batches. A line is `layer:[[…],[…],[…],[…]]`.
inline void add_file(int iteration, int rank, Sums& sums) {
  const auto path = fmt::format("{}/smartmoe-GPL3/moe_trace/table_iter{}_rank{}.log",
                                std::getenv("BETHANY_TRACES"), iteration, rank);
  const auto text = read_input(path);
  std::size_t at = 0;
  for (auto& layer : sums) {
    const auto begin = text.find(':', at) + 1;
    at = text.find('\n', begin);
    const auto batches = parse_json(text.substr(begin, at - begin), path);
    for (const auto& batch : batches.items) {
      for (std::size_t e = 0; e < layer.size(); ++e) {
        layer[e] += static_cast<std::int64_t>(batch.items[e].real);
      }
    }
  }
}

inline Sums no_loads() { return Sums(kLayers, std::vector<std::int64_t>(kTracedExperts)); }

inline Sums snapshot(int iteration) {
  auto sums = no_loads();
  for (int rank = 0; rank < kRanks; ++rank) add_file(iteration, rank, sums);
  return sums;
}

/// Which experts of a layer count as its busiest: those of the snapshot itself (placement.md), or
/// of rank 0 over all of training (reproduction.md).
enum class Busiest { in_snapshot, in_training };

inline LoadMatrix loads_of(int iteration, int experts, Busiest busiest) {
  const auto sums = snapshot(iteration);
  auto ranking = sums;
  if (busiest == Busiest::in_training) {
    ranking = no_loads();
    for (int each = 1; each <= 5001; each += 100) add_file(each, 0, ranking);
  }
  LoadMatrix loads(kLayers, experts);
  for (std::size_t l = 0; l < sums.size(); ++l) {
    std::vector<std::size_t> order(kTracedExperts);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return ranking[l][a] > ranking[l][b]; });
    for (int e = 0; e < experts; ++e) {
      loads.row(static_cast<int>(l))[static_cast<std::size_t>(e)] =
          sums[l][order[static_cast<std::size_t>(e)]];
    }
  }
  return loads;
}

template <class Part>
std::unique_ptr<Part> part(const Registry<Part>& registry, std::string_view name,
                           const std::string& with = "{}") {
  const auto node = parse_json(with, "test");
  ObjectReader options(node, "");
  return registry.find(name)->make(options);
}

struct Planned {
  PlacementShape shape;
  LoadMatrix loads;
  PlacementPlan plan;
};

inline Planned planned(int iteration, int experts, const std::string& placement,
                       Busiest busiest = Busiest::in_snapshot, int nodes = 10) {
  const PlacementShape shape{.nodes = nodes,
                             .gpus_per_node = 1,
                             .slots_per_gpu = 6,
                             .experts = experts,
                             .nodes_per_server = 2,
                             .fault_threshold = 2};
  auto loads = loads_of(iteration, experts, busiest);
  const std::string allocation = placement == "ep-groups" ? "ep" : "proportional";
  Rng rng = RngStreams(1, 0).stream("test");
  auto made = make_plan(*part(allocations(), allocation), *part(placements(), placement), shape,
                        LayerOrder::aligned, loads, rng);
  return {shape, std::move(loads), std::get<PlacementPlan>(std::move(made))};
}

inline double mean_imbalance(const Planned& at, const std::string& dispatch) {
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(at.shape.ranks()), 1 << 30);
  const auto rule = part(dispatches(), dispatch);
  double sum = 0;
  for (int l = 0; l < kLayers; ++l) {
    sum += max_over_mean(rule->dispatch(at.shape, at.plan.layers[static_cast<std::size_t>(l)], rows,
                                        at.loads.row(l)));
  }
  return sum / kLayers;
}

}  // namespace bethany::smartmoe
