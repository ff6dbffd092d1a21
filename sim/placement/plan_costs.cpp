#include "sim/placement/plan_costs.h"

#include <algorithm>
#include <numeric>

#include "sim/placement/makespan.h"

namespace bethany {

double off_node_share(const LayerTraffic& traffic) {
  const auto sum = [](const std::vector<std::int64_t>& rows) {
    return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  };
  const std::int64_t computed = sum(traffic.computed);
  if (computed == 0) return 0;
  return static_cast<double>(sum(traffic.sent_outside)) / static_cast<double>(computed);
}

std::vector<double> gradient_traffic(const PlacementPlan& plan, int layer) {
  const HostLists hosts = hosts_by_node(plan, layer);
  std::vector<double> traffic(static_cast<std::size_t>(plan.nodes));
  for (int e = 0; e < hosts.experts(); ++e) {
    const auto nodes = hosts.of(e);
    const auto count = static_cast<double>(nodes.size());
    for (const auto node : nodes) {
      traffic[static_cast<std::size_t>(node)] += 2 * (count - 1) / count;
    }
  }
  return traffic;
}

double busiest_gradient_traffic(const PlacementPlan& plan, int layer) {
  const auto traffic = gradient_traffic(plan, layer);
  return traffic.empty() ? 0 : *std::max_element(traffic.begin(), traffic.end());
}

std::int64_t hosted_pairs(const PlacementPlan& plan, int layer) {
  return static_cast<std::int64_t>(hosts_by_node(plan, layer).place.size());
}

LayerCosts layer_costs(const PlacementShape& shape, const PlacementPlan& plan, int layer,
                       std::span<const std::int64_t> loads, const Dispatch& dispatch) {
  constexpr std::int64_t kRows = std::int64_t{1} << 40;
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(shape.ranks()), kRows);
  const auto traffic =
      dispatch.dispatch(shape, plan.layers[static_cast<std::size_t>(layer)], rows, loads);
  return {.max_over_mean = max_over_mean(traffic),
          .off_node_share = off_node_share(traffic),
          .gradient_traffic = busiest_gradient_traffic(plan, layer),
          .hosted_pairs = hosted_pairs(plan, layer)};
}

}  // namespace bethany
