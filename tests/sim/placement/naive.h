#pragma once

// Independent, slow versions of what the library computes, and small builders for its tests.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/recovery.h"
#include "tests/support/catch.h"

namespace bethany::naive {

using Counts = std::vector<std::int32_t>;
using Loads = std::vector<std::int64_t>;

template <class Part>
std::unique_ptr<Part> part(const Registry<Part>& registry, const std::string& name,
                           const std::string& options = "{}") {
  const auto* entry = registry.find(name);
  REQUIRE(entry != nullptr);
  const auto node = parse_json(options, "test");
  ObjectReader reader(node, "");
  auto made = entry->make(reader);
  reader.finish();
  return made;
}

inline PlacementShape shape(int nodes, int slots, int experts, int gpus = 1, int f = 2) {
  return {.nodes = nodes,
          .gpus_per_node = gpus,
          .slots_per_gpu = slots / gpus,
          .experts = experts,
          .nodes_per_server = 1,
          .fault_threshold = f};
}

inline LoadMatrix one_layer(const Loads& loads) {
  LoadMatrix matrix(1, static_cast<int>(loads.size()));
  std::copy(loads.begin(), loads.end(), matrix.row(0).begin());
  return matrix;
}

/// A plan of one layer whose counts are given.
inline PlacementPlan plan(const std::string& placement, int nodes, int slots, const Counts& counts,
                          std::uint64_t seed = 1) {
  auto rng = RngStreams(seed, 0).stream("test");
  const auto at = shape(nodes, slots, static_cast<int>(counts.size()));
  auto placed = part(placements(), placement)->place(at, counts, {}, rng);
  REQUIRE(std::holds_alternative<std::vector<std::int32_t>>(placed));
  PlacementPlan result{.nodes = nodes,
                       .gpus_per_node = 1,
                       .slots_per_node = slots,
                       .experts = at.experts,
                       .layers = {}};
  result.layers.push_back({counts, std::get<std::vector<std::int32_t>>(std::move(placed))});
  return result;
}

/// The hosts of every expert of every layer, as bits.
inline std::vector<std::uint32_t> hosts(const PlacementPlan& of) {
  std::vector<std::uint32_t> masks;
  for (int layer = 0; layer < static_cast<int>(of.layers.size()); ++layer) {
    for (int expert = 0; expert < of.experts; ++expert) {
      std::uint32_t mask = 0;
      for (int node = 0; node < of.nodes; ++node) {
        const auto slots = of.node_slots(layer, node);
        if (std::find(slots.begin(), slots.end(), expert) != slots.end()) mask |= 1U << node;
      }
      masks.push_back(mask);
    }
  }
  return masks;
}

/// survive(k), k = 0..N, by looking at every loss set.
inline std::vector<std::int64_t> survivors(int nodes, const std::vector<std::uint32_t>& sets) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(nodes) + 1);
  for (std::uint32_t lost = 0; lost < (1U << nodes); ++lost) {
    bool alive = true;
    for (const auto set : sets) alive = alive && (set & ~lost) != 0;
    if (alive) ++counts[static_cast<std::size_t>(__builtin_popcount(lost))];
  }
  return counts;
}

inline std::vector<std::int64_t> survivors(const PlacementPlan& of) {
  return survivors(of.nodes, hosts(of));
}

/// What the library counts, as 64-bit numbers.
inline std::vector<std::int64_t> library_survivors(const PlacementPlan& of) {
  const auto counts = survivor_counts(of.nodes, minimal_host_sets(of), of.nodes);
  REQUIRE(counts.has_value());
  std::vector<std::int64_t> result;
  for (const auto count : *counts) result.push_back(static_cast<std::int64_t>(count));
  return result;
}

inline std::int64_t choose(int n, int k) {
  if (k < 0 || k > n) return 0;
  std::int64_t result = 1;
  for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return result;
}

/// [x^k] of the product of ((1+x)^g - x^g) over the groups and (1+x)^rest: DESIGN §5.
inline std::vector<std::int64_t> closed_form(int nodes, const std::vector<int>& groups) {
  std::vector<std::int64_t> product{1};
  const auto times = [&](int n, bool not_all) {
    std::vector<std::int64_t> next(product.size() + static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < product.size(); ++i) {
      for (int j = 0; j <= (not_all ? n - 1 : n); ++j) {
        next[i + static_cast<std::size_t>(j)] += product[i] * choose(n, j);
      }
    }
    product = next;
  };
  int rest = nodes;
  for (const int group : groups) {
    times(group, true);
    rest -= group;
  }
  times(rest, false);
  return product;
}

/// Sizes of MRO's groups by the formula of papers.md §1.2.
inline std::vector<int> mro_groups(int nodes, int slots, Counts counts) {
  std::sort(counts.begin(), counts.end());
  std::vector<int> sizes;
  int left = nodes;
  for (std::size_t first = 0; first < counts.size(); first += static_cast<std::size_t>(slots)) {
    sizes.push_back(std::min<int>(counts[first], left));
    left -= sizes.back();
  }
  return sizes;
}

/// All ascending counts of `experts` experts, each 1..most, that sum to `sum`.
inline void ascending_counts(int experts, int least, int most, int sum, Counts& so_far,
                             std::vector<Counts>& all) {
  if (experts == 0) {
    if (sum == 0) all.push_back(so_far);
    return;
  }
  for (int count = least; count <= most && count * experts <= sum; ++count) {
    so_far.push_back(count);
    ascending_counts(experts - 1, count, most, sum - count, so_far, all);
    so_far.pop_back();
  }
}

/// How often each expert stands in a layer's slots.
inline Counts counted(const LayerPlan& layer, int experts) {
  Counts counts(static_cast<std::size_t>(experts));
  for (const auto expert : layer.expert_of_slot) {
    if (expert != kVacant) ++counts[static_cast<std::size_t>(expert)];
  }
  return counts;
}

}  // namespace bethany::naive
