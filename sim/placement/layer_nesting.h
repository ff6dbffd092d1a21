#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/parts.h"

namespace bethany {

/// Renumbers the nodes of every layer so that the layers' groups nest around common cores
/// (placement.md §7). Layer l's rows begin with its groups, one after another, of sizes[l][i]
/// nodes; rows after them are in no group. Groups are paired by size, ties by position: K_i, of the
/// smallest i-th size over the layers, takes the first nodes not taken yet; each layer's i-th group
/// is K_i and further nodes outside all cores.
/// Ensures: when the groups are the layers' minimal host sets, all layers together survive exactly
/// the losses that leave every K_i a node.
/// Requires: equally many groups in every layer, their sizes at most shape.nodes together.
void nest_groups(const PlacementShape& shape, std::span<const std::vector<std::int32_t>> sizes,
                 LayerRows& layers);

/// rows[n] becomes row target[n].
void renumber_nodes(const PlacementShape& shape, std::span<const std::int32_t> target,
                    std::vector<std::int32_t>& rows);

}  // namespace bethany
