#include "sim/placement/kept_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/check.h"

namespace bethany {

std::variant<LayerRows, Infeasible> kept_rows(const PlacementShape& shape, int layers) {
  BETHANY_CHECK(shape.previous != nullptr, "no plan is in force");
  const PlacementPlan& plan = shape.previous->plan;
  const auto& place_of = shape.previous->place_of;
  BETHANY_CHECK(place_of.size() == static_cast<std::size_t>(shape.nodes), "places of {} nodes, {}",
                place_of.size(), shape.nodes);
  if (plan.experts != shape.experts || plan.layers.size() != static_cast<std::size_t>(layers) ||
      plan.slots_per_node != shape.slots_per_node() || plan.gpus_per_node != shape.gpus_per_node) {
    return Infeasible{fmt::format(
        "the plan in force has {} layers of {} experts on nodes of {} GPUs and {} slots; now there "
        "are {} layers of {} experts on nodes of {} GPUs and {} slots",
        plan.layers.size(), plan.experts, plan.gpus_per_node, plan.slots_per_node, layers,
        shape.experts, shape.gpus_per_node, shape.slots_per_node())};
  }
  const auto slots = static_cast<std::size_t>(shape.slots_per_node());
  LayerRows rows(static_cast<std::size_t>(layers));
  for (int layer = 0; layer < layers; ++layer) {
    auto& row = rows[static_cast<std::size_t>(layer)];
    row.assign(static_cast<std::size_t>(shape.slots()), kVacant);
    for (std::size_t node = 0; node < place_of.size(); ++node) {
      if (place_of[node] < 0) continue;
      BETHANY_CHECK(place_of[node] < plan.nodes, "place {} of {}", place_of[node], plan.nodes);
      const auto held = plan.node_slots(layer, place_of[node]);
      std::copy(held.begin(), held.end(), row.begin() + static_cast<std::ptrdiff_t>(node * slots));
    }
  }
  return rows;
}

}  // namespace bethany
