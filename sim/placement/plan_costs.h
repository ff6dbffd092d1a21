#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/model/plan.h"
#include "sim/model/traffic.h"
#include "sim/placement/parts.h"

namespace bethany {

/// What a plan costs beside what it gives (placement.md §6.3), layer by layer; a cost model turns
/// it into time.

/// Rows that cross nodes over rows computed: sum of sent_outside / sum of computed. 0 without rows.
/// Of a padded exchange: padding counts in both.
double off_node_share(const LayerTraffic& traffic);

/// Of each node: the traffic of its experts' gradients in one all-reduce, in expert sizes, one
/// layer. Replicas on one node are summed before it (papers.md §1.5), so that an expert on g nodes
/// costs each of them 2 (g - 1) / g sizes sent and as many received (a ring or any other all-reduce
/// that moves the least): sum over the node's experts of 2 (g_e - 1) / g_e.
std::vector<double> gradient_traffic(const PlacementPlan& plan, int layer);

/// The largest of them; 0 for a plan without nodes.
double busiest_gradient_traffic(const PlacementPlan& plan, int layer);

/// How many (expert, node) pairs hold a replica: expert states kept.
std::int64_t hosted_pairs(const PlacementPlan& plan, int layer);

/// Balance and costs of one layer; the costs are those of the functions above.
struct LayerCosts {
  double max_over_mean = 1;  // rows over GPUs under the dispatcher
  double off_node_share = 0;
  double gradient_traffic = 0;  // of the busiest node
  std::int64_t hosted_pairs = 0;
};

/// Every rank routes equally many rows in proportion to `loads`, so many that no rounding shows.
/// Requires: `shape` is the plan's; the dispatcher can serve it.
LayerCosts layer_costs(const PlacementShape& shape, const PlacementPlan& plan, int layer,
                       std::span<const std::int64_t> loads, const Dispatch& dispatch);

}  // namespace bethany
