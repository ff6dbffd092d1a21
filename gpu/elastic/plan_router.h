#pragma once

#include <vector>

#include "gpu/elastic/order.h"
#include "gpu/elastic/worker.h"
#include "gpu/layer/stack.h"
#include "sim/model/traffic.h"

namespace bethany {

/// Routes the rows of one micro-batch under the plan of an order, by the policy's own dispatcher.
class PlanRouter final : public Router {
 public:
  /// Both outlive the router.
  PlanRouter(const TrainingSetup& setup, const Order& order);

  /// With shares: exactly as many rows for each expert as the simulator counts, spread over the
  /// tokens so that one token goes to different experts wherever shares of at most 1 / top_k allow.
  std::vector<int> forced(int layer, int rank, std::int64_t tokens) const override;
  TokenMatrix matrix(int layer, const TokenCounts& routed) const override;

  /// Where the rows of all matrices so far went.
  const std::vector<LayerTraffic>& traffic() const { return traffic_; }

 private:
  const TrainingSetup& setup_;
  const Order& order_;
  PlacementShape shape_;
  mutable std::vector<LayerTraffic> traffic_;
};

}  // namespace bethany
