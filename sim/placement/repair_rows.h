#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/device_rows.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The repair rule of elastic serving engines, one layer: what the nodes still hold stays where it
/// is, and
/// 1. every lost expert (no replica left) gets a slot: a vacant one, of newcomers first; when these
///    do not suffice, one taken from an expert with replicas to spare, each time from the expert
///    whose load per replica is least afterwards (ties by id), its copy on a node that has another
///    one first, then on the most loaded GPU (ties by number);
/// 2. slots of newcomers that are still vacant go to the experts with most load per replica (ties
///    by id), on nodes without that expert first.
/// Lost experts and new replicas go, heaviest first, to the least loaded GPU with room.
/// `held`: the rows as kept_rows() gives them; newcomer[n]: node n holds nothing of the plan in
/// force. Ensures: every expert has a replica; as few held replicas are given up as can be.
/// Requires: at least as many slots as experts.
DeviceRows repaired_rows(const PlacementShape& shape, const std::vector<std::int32_t>& held,
                         const std::vector<bool>& newcomer, std::span<const std::int64_t> loads);

/// newcomer[n] of shape.previous.
std::vector<bool> newcomers(const PlacementShape& shape);

}  // namespace bethany
