#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "sim/base/error.h"
#include "sim/placement/parts.h"

namespace bethany {

/// How static expert parallelism cuts the ranks into groups: rank i is position i % size of group
/// i / size, and position p holds experts p · experts_per_rank … of every layer.
struct EpLayout {
  int size = 0;  // ranks of a group
  int experts_per_rank = 0;
  int nodes_per_group = 1;  // nodes that a group spans: 1 when a node holds one or more groups
  int groups_per_node = 1;  // 1 when a group spans nodes

  /// Nodes that whole groups can use.
  int usable_nodes(int nodes) const { return nodes / nodes_per_group * nodes_per_group; }
  int groups(int nodes) const { return nodes / nodes_per_group * groups_per_node; }
};

/// The groups of `ep_size` ranks; 0 takes the smallest divisor of the experts that leaves no more
/// than slots_per_gpu experts on a rank (papers.md §1.6). shape.nodes is not looked at.
std::variant<EpLayout, Infeasible> ep_layout(const PlacementShape& shape, int ep_size);

/// The layout behind equal replica counts: one replica of each expert in each group.
std::variant<EpLayout, Infeasible> ep_layout_of(const PlacementShape& shape,
                                                std::span<const std::int32_t> replicas);

}  // namespace bethany
