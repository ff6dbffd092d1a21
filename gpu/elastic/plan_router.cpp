#include "gpu/elastic/plan_router.h"

#include <numeric>

#include "sim/base/check.h"

namespace bethany {
PlanRouter::PlanRouter(const TrainingSetup& setup, const Order& order)
    : setup_(setup), order_(order), shape_(setup.placement) {
  shape_.nodes = order.plan->nodes;
}

std::vector<int> PlanRouter::forced(int layer, int rank, std::int64_t tokens) const {
  if (order_.shares.layers == 0) return {};
  const std::int64_t rows = tokens * setup_.shape.top_k;
  const auto counts = routed_counts(std::vector<std::int64_t>{rows}, order_.shares.row(layer));
  // Column by column: an expert's rows follow one another, and a column has each token once.
  // Neighbouring ranks and layers begin elsewhere, so that no token is always with the same expert.
  const auto k = static_cast<std::int64_t>(setup_.shape.top_k);
  std::vector<int> ids(static_cast<std::size_t>(rows));
  std::int64_t at = 0;
  for (int expert = 0; expert < setup_.shape.experts; ++expert) {
    for (std::int64_t i = 0; i < counts.at(0, expert); ++i, ++at) {
      const std::int64_t token = (at % tokens + 7 * (layer + 1) * (rank + 3)) % tokens;
      ids[static_cast<std::size_t>(token * k + at / tokens)] = expert;
    }
  }
  BETHANY_CHECK(at == rows, "{} of {} rows are routed", at, rows);
  return ids;
}

TokenMatrix PlanRouter::matrix(int layer, const TokenCounts& routed) const {
  const auto& plan = order_.plan->layers[static_cast<std::size_t>(layer)];
  auto matrix =
      setup_.dispatch->matrix(shape_, plan, setup_.dispatch->padded(shape_, plan, routed));
  BETHANY_CHECK(matrix, "the dispatcher does not say where every row goes");
  traffic_.push_back(traffic_of(*matrix, shape_.gpus_per_node * shape_.nodes_per_server));
  return std::move(*matrix);
}

}  // namespace bethany
