#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// Room for `count` experts on every node of a set.
struct Lanes {
  HostSet nodes;
  std::int32_t count = 0;
};

/// Node sets of which every expert of every layer hosts one whole (placement.md §6.1). All layers
/// together then survive exactly the losses that leave each of the sets a node, whatever the
/// remaining slots hold.
struct CoreFamily {
  std::vector<Lanes> lanes;   // by size, then nodes
  std::vector<HostSet> sets;  // the minimal ones among the lanes' nodes
  /// P(all layers recover | k nodes lost) by k, from 0 on; see recovery_depth().
  std::vector<double> recovery;

  /// "3+3+4" for disjoint sets, "8 sets of 7..8" for overlapping ones.
  std::string name() const;
};

/// Whether `a` survives more than `b` at the first number of losses at which their curves differ;
/// where they agree, more losses for certain, then fewer sets.
bool survives_more(const CoreFamily& a, const CoreFamily& b);

/// The losses that core families are compared for: k = 1..recovery_depth(nodes).
int recovery_depth(int nodes);

/// The family of disjoint node groups of these sizes, with `slots` lanes each. Nodes are dealt so
/// that each group has nodes in as many failure domains as possible; without domains the groups are
/// consecutive nodes. Requires: sizes from 1 that fit `nodes`; domain_of_node empty or of `nodes`.
CoreFamily disjoint_family(int nodes, int slots, std::vector<std::int32_t> sizes,
                           std::span<const std::int32_t> domain_of_node);

/// Families of disjoint groups worth comparing for E experts on `nodes` nodes of `slots` slots,
/// best recovery first (survives_more()), ties by sizes: several numbers of
/// groups from ceil(E / slots) on, near-equal and slightly uneven sizes, and some nodes in no
/// group. Requires: experts <= nodes * slots.
std::vector<CoreFamily> disjoint_families(int nodes, int slots, int experts,
                                          std::span<const std::int32_t> domain_of_node);

/// The sizes of the cores that replica counts allow in all layers (placement.md §7): the least i-th
/// group of `mro` over the layers, ascending. Requires: every count from 1; a row for each layer.
std::vector<std::int32_t> core_sizes_of_counts(int nodes, int slots,
                                               std::span<const std::vector<std::int32_t>> replicas);

}  // namespace bethany
