#include "sim/placement/parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The loads of one layer; as placements take them, empty ones count as none.
LoadMatrix one_layer(const PlacementShape& shape, std::span<const std::int64_t> loads) {
  LoadMatrix layer(1, shape.experts);
  std::copy(loads.begin(), loads.end(), layer.row(0).begin());
  return layer;
}

}  // namespace

int PlacementShape::effective_fault_threshold() const {
  if (experts == 0) return fault_threshold;
  return static_cast<int>(std::min<std::int64_t>(fault_threshold, slots() / experts));
}

int Allocation::minimum_nodes(const PlacementShape& shape) const {
  BETHANY_CHECK(shape.slots_per_node() > 0, "a node without slots");
  return (shape.experts + shape.slots_per_node() - 1) / shape.slots_per_node();
}

std::variant<ReplicaRows, Infeasible> Allocation::allocate_layers(const PlacementShape& shape,
                                                                  const LoadMatrix& loads) const {
  ReplicaRows replicas;
  replicas.reserve(static_cast<std::size_t>(loads.layers));
  for (int layer = 0; layer < loads.layers; ++layer) {
    auto counts = allocate(shape, loads.row(layer));
    if (const auto* reason = std::get_if<Infeasible>(&counts)) {
      if (layer == 0) return *reason;
      return Infeasible{fmt::format("layer {}: {}", layer, reason->reason)};
    }
    replicas.push_back(std::move(std::get<std::vector<std::int32_t>>(counts)));
  }
  return replicas;
}

std::variant<LayerRows, Infeasible> Placement::place_layers(
    const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
    const LoadMatrix& loads, Rng& rng) const {
  LayerRows rows;
  rows.reserve(replicas.size());
  for (std::size_t layer = 0; layer < replicas.size(); ++layer) {
    auto placed = place(shape, replicas[layer], loads.row(static_cast<int>(layer)), rng);
    if (auto* reason = std::get_if<Infeasible>(&placed)) {
      if (replicas.size() == 1) return *reason;
      return Infeasible{fmt::format("layer {}: {}", layer, reason->reason)};
    }
    rows.push_back(std::move(std::get<std::vector<std::int32_t>>(placed)));
  }
  return rows;
}

std::variant<std::vector<std::int32_t>, Infeasible> JointAllocation::allocate(
    const PlacementShape& shape, std::span<const std::int64_t> loads) const {
  auto made = allocate_layers(shape, one_layer(shape, loads));
  if (auto* reason = std::get_if<Infeasible>(&made)) return std::move(*reason);
  return std::move(std::get<ReplicaRows>(made).front());
}

std::variant<std::vector<std::int32_t>, Infeasible> JointPlacement::place(
    const PlacementShape& shape, std::span<const std::int32_t> replicas,
    std::span<const std::int64_t> loads, Rng& rng) const {
  const std::vector<std::int32_t> counts(replicas.begin(), replicas.end());
  auto placed = place_layers(shape, {&counts, 1}, one_layer(shape, loads), rng);
  if (auto* reason = std::get_if<Infeasible>(&placed)) return std::move(*reason);
  return std::move(std::get<LayerRows>(placed).front());
}

Registry<Allocation>& allocations() {
  static Registry<Allocation> registry;
  return registry;
}

Registry<Placement>& placements() {
  static Registry<Placement> registry;
  return registry;
}

Registry<Dispatch>& dispatches() {
  static Registry<Dispatch> registry;
  return registry;
}

double max_over_mean(const LayerTraffic& traffic) {
  std::int64_t largest = 0;
  double sum = 0;
  for (const std::int64_t rows : traffic.computed) {
    largest = std::max(largest, rows);
    sum += static_cast<double>(rows);
  }
  if (largest == 0) return 1;
  return static_cast<double>(largest) * static_cast<double>(traffic.computed.size()) / sum;
}

}  // namespace bethany
