#pragma once

#include <string>
#include <vector>

#include "sim/base/json.h"
#include "sim/cost/cost_model.h"

namespace bethany {

/// A cost model with everything it was made from.
class TestCost {
 public:
  std::string model = "gpt-m";
  std::string training = "{}";
  std::string cluster = "{\"slots_per_gpu\":6}";

  /// Reads the `cost` object.
  Cost make(const std::string& cost, JsonNode* effective = nullptr) const;
};

/// A plan of single-GPU nodes in which every layer is the same: the experts of each node.
PlacementPlan same_layers(int layers, int experts, int slots,
                          const std::vector<std::vector<std::int32_t>>& experts_of_node);

/// The same rows on each of `ranks` ranks.
LayerTraffic even_traffic(int ranks, std::int64_t computed, std::int64_t inside,
                          std::int64_t outside);

/// The term of that name; fails the test when there is none.
Duration term(const CostBreakdown& breakdown, std::string_view name);

double milliseconds(Duration duration);

}  // namespace bethany
