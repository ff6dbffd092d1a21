#include "sim/model/model_answer.h"

#include <algorithm>

namespace bethany {
namespace {

JsonNode whole(std::int64_t value) { return JsonNode::of(value); }

JsonNode parameters_of(const MoeModel& model) {
  const std::int64_t routed =
      std::int64_t{model.moe_layers} * model.experts * model.expert_parameters;
  const std::int64_t active = model.dense_parameters + std::int64_t{model.moe_layers} *
                                                           model.top_k * model.expert_parameters;
  JsonNode parameters;
  parameters.member("total") = whole(model.parameters());
  parameters.member("dense") = whole(model.dense_parameters);
  parameters.member("expert") = whole(model.expert_parameters);
  parameters.member("routed") = whole(routed);
  parameters.member("active_per_token") = whole(active);
  parameters.member("dense_matmul") = whole(model.dense_matmul_parameters);
  for (const auto& part : model.dense_parts) parameters.member(part.name) = whole(part.parameters);
  return parameters;
}

JsonNode memory_of(const MemorySum& sum) {
  JsonNode memory;
  memory.member("available") = whole(sum.available.value);
  memory.member("reserved") = whole(sum.reserved.value);
  memory.member("dense") = whole(sum.dense.value);
  memory.member("per_slot") = whole(sum.per_slot.value);
  memory.member("left_for_slots") =
      whole(std::max<std::int64_t>(0, sum.available.value - sum.reserved.value - sum.dense.value));
  return memory;
}

JsonNode state_of(const MoeModel& model, const Precision& precision) {
  JsonNode state;
  state.member("per_parameter") = whole(precision.state_bytes());
  state.member("expert") = whole(model.expert_parameters * precision.state_bytes());
  state.member("dense") = whole(model.dense_parameters * precision.state_bytes());
  state.member("checkpoint") = whole(model.parameters() * precision.state_bytes());
  return state;
}

}  // namespace

JsonNode model_answer(const MoeModel& model, const Training& training, const NodeType& type,
                      int ranks) {
  const MemorySum sum = memory_sum(model, training, type.gpu_memory, ranks);
  const Precision& precision = training.precision;
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/model-show/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  answer.member("model") = JsonNode::of(model.name);
  answer.member("source") = JsonNode::of(model.source);
  answer.member("layers") = whole(model.layers);
  answer.member("moe_layers") = whole(model.moe_layers);
  if (!model.moe_layer_mask.empty()) {
    answer.member("moe_layer_mask") = JsonNode::of(model.moe_layer_mask);
  }
  answer.member("hidden") = whole(model.hidden);
  answer.member("experts") = whole(model.experts);
  answer.member("top_k") = whole(model.top_k);
  answer.member("parameters") = parameters_of(model);
  JsonNode flop;
  flop.member("dense") = JsonNode::of(model.dense_flop_per_token(training.sequence_length));
  flop.member("expert") = JsonNode::of(model.expert_flop_per_token());
  flop.member("sequence_length") = whole(training.sequence_length);
  answer.member("forward_flop_per_token") = std::move(flop);
  answer.member("bytes_per_parameter") = whole(precision.memory_bytes());
  answer.member("bytes_per_slot") = whole(sum.per_slot.value);
  answer.member("state_bytes") = state_of(model, precision);
  answer.member("node_type") = JsonNode::of(type.name);
  answer.member("memory_per_gpu_bytes") = memory_of(sum);
  answer.member("slots_per_gpu_max") = whole(sum.slots_max);
  return answer;
}

}  // namespace bethany
