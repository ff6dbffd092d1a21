#include "sim/placement/ep_layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace bethany {

std::variant<EpLayout, Infeasible> ep_layout(const PlacementShape& shape, int ep_size) {
  int size = ep_size;
  if (size == 0) {
    size = 1;
    while (size < shape.experts &&
           (shape.experts % size != 0 || shape.experts / size > shape.slots_per_gpu)) {
      ++size;
    }
  }
  if (size < 1 || shape.experts % size != 0) {
    return Infeasible{
        fmt::format("EP groups of {} GPUs cannot share {} experts equally", size, shape.experts)};
  }
  EpLayout layout{.size = size, .experts_per_rank = shape.experts / size};
  if (layout.experts_per_rank > shape.slots_per_gpu) {
    return Infeasible{fmt::format("EP groups of {} GPUs need {} slots per GPU; there are {}", size,
                                  layout.experts_per_rank, shape.slots_per_gpu)};
  }
  if (size % shape.gpus_per_node == 0) {
    layout.nodes_per_group = size / shape.gpus_per_node;
  } else if (shape.gpus_per_node % size == 0) {
    layout.groups_per_node = shape.gpus_per_node / size;
  } else {
    return Infeasible{
        fmt::format("EP groups of {} GPUs do not fill nodes of {} GPUs: one must divide the other",
                    size, shape.gpus_per_node)};
  }
  return layout;
}

std::variant<EpLayout, Infeasible> ep_layout_of(const PlacementShape& shape,
                                                std::span<const std::int32_t> replicas) {
  const auto unequal = std::adjacent_find(replicas.begin(), replicas.end(),
                                          [](std::int32_t a, std::int32_t b) { return a != b; });
  if (unequal != replicas.end()) {
    return Infeasible{
        fmt::format("EP groups hold every expert once, but one has {} replicas and "
                    "the next {}",
                    *unequal, *(unequal + 1))};
  }
  const std::int32_t groups = replicas.empty() ? 0 : replicas.front();
  if (groups < 1 || shape.ranks() % groups != 0) {
    return Infeasible{
        fmt::format("{} replicas of each expert do not make whole EP groups of {} "
                    "GPUs",
                    groups, shape.ranks())};
  }
  return ep_layout(shape, shape.ranks() / groups);
}

}  // namespace bethany
