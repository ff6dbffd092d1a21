#include "tests/sim/cost/cost_support.h"

#include "sim/model/readers.h"
#include "tests/support/catch.h"

namespace bethany {

Cost TestCost::make(const std::string& cost, JsonNode* effective) const {
  const auto training_node = parse_json(training, "training.json");
  ObjectReader training_reader(training_node, "/training");
  const auto training_keys = read_training(training_reader);
  const auto cluster_node = parse_json(cluster, "cluster.json");
  ObjectReader cluster_reader(cluster_node, "/cluster");
  const auto cluster_keys = read_cluster(cluster_reader, 10, *find_model(model), training_keys);
  const auto cost_node = parse_json(cost, "s.json");
  ObjectReader cost_reader(cost_node, "/cost", effective);
  return read_cost(cost_reader, {*find_model(model), training_keys, cluster_keys});
}

PlacementPlan same_layers(int layers, int experts, int slots,
                          const std::vector<std::vector<std::int32_t>>& experts_of_node) {
  PlacementPlan plan;
  plan.nodes = static_cast<int>(experts_of_node.size());
  plan.gpus_per_node = 1;
  plan.slots_per_node = slots;
  plan.experts = experts;
  LayerPlan layer;
  layer.replicas.resize(static_cast<std::size_t>(experts));
  for (const auto& held : experts_of_node) {
    for (const auto expert : held) ++layer.replicas[static_cast<std::size_t>(expert)];
    auto padded = held;
    padded.resize(static_cast<std::size_t>(slots), kVacant);
    layer.expert_of_slot.insert(layer.expert_of_slot.end(), padded.begin(), padded.end());
  }
  plan.layers.assign(static_cast<std::size_t>(layers), layer);
  return plan;
}

LayerTraffic even_traffic(int ranks, std::int64_t computed, std::int64_t inside,
                          std::int64_t outside) {
  const auto count = static_cast<std::size_t>(ranks);
  LayerTraffic traffic;
  traffic.computed.assign(count, computed);
  traffic.sent_inside.assign(count, inside);
  traffic.received_inside.assign(count, inside);
  traffic.sent_outside.assign(count, outside);
  traffic.received_outside.assign(count, outside);
  return traffic;
}

Duration term(const CostBreakdown& breakdown, std::string_view name) {
  for (const auto& part : breakdown.terms) {
    if (part.name == name) return part.time;
  }
  FAIL("no term '" << name << "'");
  return Duration(0);
}

double milliseconds(Duration duration) { return to_seconds(duration) * 1e3; }

}  // namespace bethany
