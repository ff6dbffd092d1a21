#include <fmt/format.h>

#include "sim/placement/answer_fields.h"
#include "sim/placement/answers.h"

namespace bethany {
namespace {

JsonNode numbers(const std::vector<int>& values) {
  std::vector<JsonNode> items;
  for (const int value : values) items.push_back(JsonNode::of(std::int64_t{value}));
  return JsonNode::array_of(std::move(items));
}

void add_curve(JsonNode& node, const RecoverRequest& request, const RecoveryCurve& curve) {
  const auto& plan = request.plan;
  node.member("guaranteed_losses") = JsonNode::of(std::int64_t{curve.guaranteed_losses});
  node.member("witness") = numbers(curve.witness);
  std::vector<JsonNode> results;
  for (int k = request.failed_first; k <= request.failed_last; ++k) {
    const double probability = curve.probability[static_cast<std::size_t>(k)];
    const auto slots_left = std::int64_t{plan.nodes - k} * plan.slots_per_node;
    JsonNode result;
    result.member("failed") = JsonNode::of(std::int64_t{k});
    result.member("probability") = JsonNode::of(probability);
    result.member("capacity") = JsonNode::of(slots_left >= plan.experts);
    result.member("method") = JsonNode::of(curve.method);
    result.member("low") = JsonNode::of(probability);
    result.member("high") = JsonNode::of(probability);
    result.member("samples") = JsonNode();
    results.push_back(std::move(result));
  }
  node.member("results") = JsonNode::array_of(std::move(results));
}

std::variant<RecoveryCurve, Infeasible> curve_of(const PlacementPlan& plan, int k_max) {
  const auto sets = minimal_host_sets(plan);
  if (auto curve = recovery_curve(plan.nodes, sets, k_max)) return std::move(*curve);
  const auto component = hardest_component(plan.nodes, sets);
  return Infeasible{fmt::format(
      "the exact recovery probability is not affordable: {} host sets overlap and span {} nodes; "
      "about 2^{:.0f} states",
      component.sets, component.nodes, component.log2_states)};
}

}  // namespace

std::variant<RecoverAnswer, Infeasible> answer_recover(const RecoverRequest& request) {
  checked_range("failed", request.failed_first, 0, request.plan.nodes);
  checked_range("failed", request.failed_last, request.failed_first, request.plan.nodes);
  auto joint = curve_of(request.plan, request.failed_last);
  if (auto* reason = std::get_if<Infeasible>(&joint)) return std::move(*reason);
  RecoverAnswer answer{
      .request = request, .joint = std::move(std::get<RecoveryCurve>(joint)), .per_layer = {}};
  if (!request.per_layer) return answer;
  PlacementPlan alone = request.plan;
  for (std::size_t layer = 0; layer < request.plan.layers.size(); ++layer) {
    alone.layers.assign(1, request.plan.layers[layer]);
    auto curve = curve_of(alone, request.failed_last);
    if (auto* reason = std::get_if<Infeasible>(&curve)) {
      return Infeasible{fmt::format("layer {}: {}", layer, reason->reason)};
    }
    answer.per_layer.push_back(std::move(std::get<RecoveryCurve>(curve)));
  }
  return answer;
}

JsonNode recover_json(const RecoverAnswer& answer) {
  JsonNode node;
  begin_answer(node, "bethany/recover/1");
  add_curve(node, answer.request, answer.joint);
  if (answer.request.per_layer) {
    std::vector<JsonNode> layers;
    for (const auto& curve : answer.per_layer) {
      layers.emplace_back();
      add_curve(layers.back(), answer.request, curve);
    }
    node.member("layers") = JsonNode::array_of(std::move(layers));
  }
  return node;
}

}  // namespace bethany
