#include "sim/placement/layer_nesting.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

std::vector<std::int32_t> groups_by_size(const std::vector<std::int32_t>& sizes) {
  std::vector<std::int32_t> order(sizes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return sizes[static_cast<std::size_t>(a)] < sizes[static_cast<std::size_t>(b)];
  });
  return order;
}

/// Sizes of the cores: the smallest of the layers' i-th sizes in ascending order. Pairing in
/// ascending order makes every core at least as large as any other pairing would.
std::vector<std::int32_t> core_sizes(std::span<const std::vector<std::int32_t>> sizes) {
  std::vector<std::int32_t> cores;
  for (auto layer : sizes) {
    std::sort(layer.begin(), layer.end());
    if (cores.empty()) cores = layer;
    BETHANY_CHECK(layer.size() == cores.size(), "layers of {} and {} groups", layer.size(),
                  cores.size());
    for (std::size_t i = 0; i < cores.size(); ++i) cores[i] = std::min(cores[i], layer[i]);
  }
  return cores;
}

}  // namespace

void renumber_nodes(const PlacementShape& shape, std::span<const std::int32_t> target,
                    std::vector<std::int32_t>& rows) {
  const auto c = static_cast<std::ptrdiff_t>(shape.slots_per_node());
  std::vector<std::int32_t> moved(rows.size());
  for (std::size_t n = 0; n < target.size(); ++n) {
    const auto from = rows.begin() + static_cast<std::ptrdiff_t>(n) * c;
    std::copy(from, from + c, moved.begin() + static_cast<std::ptrdiff_t>(target[n]) * c);
  }
  rows = std::move(moved);
}

void nest_groups(const PlacementShape& shape, std::span<const std::vector<std::int32_t>> sizes,
                 LayerRows& layers) {
  if (layers.empty()) return;
  const auto cores = core_sizes(sizes);
  const auto pool = std::accumulate(cores.begin(), cores.end(), std::int32_t{0});
  std::vector<std::int32_t> target(static_cast<std::size_t>(shape.nodes));
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    std::vector<std::int32_t> first_row;  // of each group
    std::int32_t row = 0;
    for (const std::int32_t size : sizes[layer]) {
      first_row.push_back(row);
      row += size;
    }
    BETHANY_CHECK(row <= shape.nodes, "groups of {} nodes among {}", row, shape.nodes);
    std::int32_t core_node = 0;
    std::int32_t pool_node = pool;
    std::size_t rank = 0;
    for (const std::int32_t group : groups_by_size(sizes[layer])) {
      const auto g = static_cast<std::size_t>(group);
      for (std::int32_t i = 0; i < sizes[layer][g]; ++i) {
        target[static_cast<std::size_t>(first_row[g] + i)] =
            i < cores[rank] ? core_node++ : pool_node++;
      }
      ++rank;
    }
    for (; row < shape.nodes; ++row) target[static_cast<std::size_t>(row)] = pool_node++;
    renumber_nodes(shape, target, layers[layer]);
  }
}

}  // namespace bethany
