#include "sim/placement/expert_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace bethany {

std::vector<std::int32_t> ascending_experts(std::span<const std::int32_t> replicas,
                                            std::span<const std::int64_t> loads) {
  std::vector<std::int32_t> order(replicas.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const auto i = static_cast<std::size_t>(a);
    const auto j = static_cast<std::size_t>(b);
    if (replicas[i] != replicas[j]) return replicas[i] < replicas[j];
    if (!loads.empty() && loads[i] != loads[j]) return loads[i] < loads[j];
    return a < b;
  });
  return order;
}

std::optional<Infeasible> refuse_replicas(const PlacementShape& shape,
                                          std::span<const std::int32_t> replicas) {
  std::int64_t sum = 0;
  for (std::size_t expert = 0; expert < replicas.size(); ++expert) {
    if (replicas[expert] < 1) {
      return Infeasible{fmt::format("expert {} has no replica", expert)};
    }
    sum += replicas[expert];
  }
  if (sum > shape.slots()) {
    return Infeasible{fmt::format("{} replicas do not fit {} nodes of {} slots ({} in all)", sum,
                                  shape.nodes, shape.slots_per_node(), shape.slots())};
  }
  return std::nullopt;
}

std::optional<Infeasible> refuse_experts(const PlacementShape& shape) {
  if (shape.slots() >= shape.experts) return std::nullopt;
  return Infeasible{fmt::format("{} nodes of {} slots hold {} replicas; {} experts need one each",
                                shape.nodes, shape.slots_per_node(), shape.slots(), shape.experts)};
}

}  // namespace bethany
