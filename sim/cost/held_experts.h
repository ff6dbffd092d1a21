#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/model/plan.h"

namespace bethany {

/// Calls visit(rank, expert) for each rank and each different expert it holds in the layer. A GPU's
/// experts stand in ascending order, so copies of one stand together.
template <class Visit>
void visit_experts(const PlacementPlan& plan, const LayerPlan& layer, const Visit& visit) {
  const auto ranks = static_cast<std::size_t>(plan.ranks());
  const auto slots = static_cast<std::size_t>(plan.slots_per_gpu());
  const std::int32_t* slot = layer.expert_of_slot.data();
  for (std::size_t rank = 0; rank < ranks; ++rank, slot += slots) {
    std::int32_t previous = kVacant;
    for (std::size_t i = 0; i < slots; ++i) {
      if (slot[i] != previous && slot[i] != kVacant) visit(rank, static_cast<std::size_t>(slot[i]));
      previous = slot[i];
    }
  }
}

}  // namespace bethany
