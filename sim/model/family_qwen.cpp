#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Layer i (from 0) is MoE when `decoder_sparse_step` divides i + 1 and it is not among
/// `mlp_only_layers`; `intermediate_size` is the width of the dense layers.
ModelShape read_qwen(ModelConfig& config) {
  ModelShape shape = read_common(config);
  const auto layers = static_cast<std::int64_t>(shape.moe.size());
  const int every = config.count({"decoder_sparse_step"}, kMostConfigLayers);
  for (std::int64_t i = 0; i < layers; ++i) {
    shape.moe[static_cast<std::size_t>(i)] = (i + 1) % every == 0;
  }
  if (config.has("mlp_only_layers")) {
    for (const auto layer : config.list("mlp_only_layers", 0, layers - 1)) {
      shape.moe[static_cast<std::size_t>(layer)] = false;
    }
  }
  shape.dense_ffn = gated_ffn(shape.hidden, config.count({"intermediate_size"}, kMostConfigWidth));
  shape.expert = gated_ffn(shape.hidden, config.count({"moe_intermediate_size"}, kMostConfigWidth));
  return shape;
}

/// Queries, keys and values have biases (files older than `qkv_bias` too); one shared expert behind
/// a gate of its own.
class Qwen2Moe final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_qwen(config);
    GroupedQuery heads = read_heads(config);
    heads.head_size = read_head_size(config, shape, heads);
    heads.input_bias = !config.has("qkv_bias") || config.flag("qkv_bias");
    shape.attention = grouped_query(shape.hidden, heads);
    shape.shared = gated_ffn(shape.hidden,
                             config.count({"shared_expert_intermediate_size"}, kMostConfigWidth)) +
                   linear(shape.hidden, 1);
    return shape;
  }
};

/// No shared expert; every head of queries and keys has a norm. The head size is not hidden /
/// heads.
class Qwen3Moe final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_qwen(config);
    GroupedQuery heads = read_heads(config);
    heads.head_size = config.count({"head_dim"}, kMostConfigHeads);
    heads.input_bias = heads.output_bias = config.flag("attention_bias");
    shape.attention = grouped_query(shape.hidden, heads);
    shape.attention.parameters = shape.attention.parameters + norm(heads.head_size) * 2;
    return shape;
  }
};

const bool registered2 =
    add_model_family<Qwen2Moe>("qwen2_moe", "Qwen1.5-MoE, Qwen2-MoE: a shared expert");
const bool registered3 = add_model_family<Qwen3Moe>("qwen3_moe", "Qwen3-MoE");

}  // namespace
}  // namespace bethany
