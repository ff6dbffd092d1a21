#pragma once

#include <variant>

#include "sim/base/error.h"
#include "sim/placement/parts.h"

namespace bethany {

/// What the nodes of a new plan hold of the plan in force: row n of each layer is the row of place
/// place_of[n], vacant for a newcomer (-1).
/// Infeasible when the plan in force is of another shape (experts, layers, slots or GPUs a node).
/// Requires: shape.previous.
std::variant<LayerRows, Infeasible> kept_rows(const PlacementShape& shape, int layers);

}  // namespace bethany
