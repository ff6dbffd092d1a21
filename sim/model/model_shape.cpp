#include "sim/model/model_shape.h"

#include <algorithm>

#include "sim/base/check.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

struct NamedPart {
  const char* name;
  Parameters parameters;
};

std::int64_t moe_layers(const ModelShape& shape) {
  return std::count(shape.moe.begin(), shape.moe.end(), true);
}

/// Everything but the routed experts.
std::vector<NamedPart> dense_parts(const ModelShape& shape) {
  const auto layers = static_cast<std::int64_t>(shape.moe.size());
  const std::int64_t moe = moe_layers(shape);
  const Int128 table = Int128{shape.vocabulary} * shape.hidden;
  Parameters embeddings;
  embeddings.matmul = table;  // the output matrix; a token looks its input row up
  embeddings.other = (shape.tied ? 0 : table) + Int128{shape.positions} * shape.hidden;
  return {{"attention", shape.attention.parameters * layers},
          {"dense_ffn", shape.dense_ffn * (layers - moe)},
          {"shared_experts", shape.shared * moe},
          {"router", shape.router * moe},
          {"norms", shape.norms * layers + shape.final_norm},
          {"embeddings", embeddings}};
}

Parameters sum_of(const std::vector<NamedPart>& parts) {
  Parameters sum;
  for (const auto& part : parts) sum = sum + part.parameters;
  return sum;
}

}  // namespace

Parameters linear(std::int64_t in, std::int64_t out, bool bias) {
  return {Int128{in} * out, bias ? out : 0};
}

Parameters norm(std::int64_t width) { return {0, width}; }

Parameters plain_ffn(std::int64_t hidden, std::int64_t width, bool bias) {
  return linear(hidden, width, bias) + linear(width, hidden, bias);
}

Parameters gated_ffn(std::int64_t hidden, std::int64_t width, bool bias) {
  return linear(hidden, 2 * width, bias) + linear(width, hidden, bias);
}

Attention grouped_query(std::int64_t hidden, const GroupedQuery& shape) {
  const std::int64_t queries = shape.heads * shape.head_size;
  const std::int64_t keys = shape.key_value_heads * shape.head_size;
  return {.parameters = linear(hidden, queries, shape.input_bias) +
                        linear(hidden, keys, shape.input_bias) * 2 +
                        linear(queries, hidden, shape.output_bias),
          .flop_per_context = 4 * queries};
}

Attention latent(std::int64_t hidden, const Latent& shape) {
  const std::int64_t head = shape.plain + shape.rotary;
  const Parameters queries = shape.query_rank == 0
                                 ? linear(hidden, shape.heads * head)
                                 : linear(hidden, shape.query_rank, shape.bias) +
                                       norm(shape.query_rank) +
                                       linear(shape.query_rank, shape.heads * head);
  const Parameters keys_and_values =
      linear(hidden, shape.key_value_rank + shape.rotary, shape.bias) + norm(shape.key_value_rank) +
      linear(shape.key_value_rank, shape.heads * (shape.plain + shape.value));
  return {.parameters =
              queries + keys_and_values + linear(shape.heads * shape.value, hidden, shape.bias),
          .flop_per_context = 2 * shape.heads * (head + shape.value)};
}

Int128 parameters_in_all(const ModelShape& shape) {
  return sum_of(dense_parts(shape)).total() +
         shape.expert.total() * moe_layers(shape) * shape.experts;
}

MoeModel counted(const ModelShape& shape) {
  BETHANY_CHECK(moe_layers(shape) > 0 && parameters_in_all(shape) <= kLargestModel,
                "model '{}': {} MoE layers, {} parameters", shape.name, moe_layers(shape),
                to_text(parameters_in_all(shape)));
  const auto narrow = [](Int128 value) { return static_cast<std::int64_t>(value); };
  MoeModel model;
  model.name = shape.name;
  model.source = shape.source;
  model.layers = static_cast<int>(shape.moe.size());
  model.moe_layers = static_cast<int>(moe_layers(shape));
  model.hidden = shape.hidden;
  model.experts = shape.experts;
  model.top_k = shape.top_k;
  model.expert_parameters = narrow(shape.expert.total());
  const auto parts = dense_parts(shape);
  const Parameters dense = sum_of(parts);
  model.dense_parameters = narrow(dense.total());
  model.dense_matmul_parameters = narrow(dense.matmul);
  model.attention_flop_per_context = shape.attention.flop_per_context;
  for (const auto& part : parts) {
    model.dense_parts.push_back({part.name, narrow(part.parameters.total())});
  }
  for (const bool moe : shape.moe) model.moe_layer_mask += moe ? '1' : '0';
  return model;
}

}  // namespace bethany
