#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bethany {

/// A slot without a replica.
constexpr std::int32_t kVacant = -1;

/// Which expert's replica lies in which slot, for one MoE layer.
struct LayerPlan {
  /// Replicas of each expert, counted over all slots.
  std::vector<std::int32_t> replicas;
  /// [node][gpu][slot of the GPU]: the expert, or kVacant. Within a GPU ascending, vacant last.
  std::vector<std::int32_t> expert_of_slot;
  friend bool operator==(const LayerPlan&, const LayerPlan&) = default;
};

/// Which node holds which expert replica. Plan nodes are places 0..nodes-1; binding gives each of
/// them to a machine.
struct PlacementPlan {
  int nodes = 0;
  int gpus_per_node = 1;
  int slots_per_node = 0;  // = gpus_per_node · slots per GPU
  int experts = 0;
  std::vector<LayerPlan> layers;

  int slots_per_gpu() const { return slots_per_node / gpus_per_node; }
  int ranks() const { return nodes * gpus_per_node; }
  /// The slots of a node, GPU after GPU.
  std::span<const std::int32_t> node_slots(int layer, int node) const {
    const auto c = static_cast<std::size_t>(slots_per_node);
    return {layers[static_cast<std::size_t>(layer)].expert_of_slot.data() +
                static_cast<std::size_t>(node) * c,
            c};
  }
  friend bool operator==(const PlacementPlan&, const PlacementPlan&) = default;
};

}  // namespace bethany
