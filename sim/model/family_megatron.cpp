#include <fmt/format.h>

#include "sim/base/text.h"
#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Arguments of Megatron-LM, or the fields of its configuration class, as a JSON object. Nothing
/// says the family: a file without `model_type` that has `num_layers` is taken for one.
class Megatron final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape;
    shape.hidden = config.count({"hidden_size"}, 1'000'000);
    shape.experts = config.count({"num_moe_experts", "num_experts"}, 1 << 16);
    shape.top_k = config.count({"moe_router_topk"}, shape.experts);
    shape.moe.assign(static_cast<std::size_t>(config.count({"num_layers"}, kMostConfigLayers)),
                     true);
    read_moe_layers(config, shape);
    const bool bias = config.flag("add_bias_linear");
    const auto ffn = read_activation(config) ? gated_ffn : plain_ffn;
    const Parameters layer_norm = read_norm(config, shape.hidden);
    shape.attention = read_attention(config, shape.hidden, bias);
    shape.norms = layer_norm * 2;
    shape.final_norm = layer_norm;
    const int dense = config.count({"ffn_hidden_size"}, kMostConfigWidth);
    shape.dense_ffn = ffn(shape.hidden, dense, bias);
    const int width = config.has("moe_ffn_hidden_size")
                          ? config.count({"moe_ffn_hidden_size"}, kMostConfigWidth)
                          : dense;
    shape.expert = ffn(shape.hidden, width, bias);
    if (config.has("moe_shared_expert_intermediate_size")) {
      shape.shared =
          ffn(shape.hidden, config.count({"moe_shared_expert_intermediate_size"}, kMostConfigWidth),
              bias);
    }
    shape.router = linear(shape.hidden, shape.experts);
    shape.vocabulary = config.count({"padded_vocab_size", "vocab_size"}, 100'000'000);
    shape.tied = read_tied(config);
    if (config.has("position_embedding_type") &&
        config.text("position_embedding_type") == "learned_absolute") {
      shape.positions = config.count({"max_position_embeddings"}, 100'000'000);
    }
    return shape;
  }

 private:
  /// A list says it for each layer; a number n: every n-th layer, beginning with the first.
  static void read_moe_layers(ModelConfig& config, ModelShape& shape) {
    const std::size_t layers = shape.moe.size();
    if (!config.is_list("moe_layer_freq")) {
      const auto every =
          static_cast<std::size_t>(config.count({"moe_layer_freq"}, kMostConfigLayers));
      for (std::size_t i = 0; i < layers; ++i) shape.moe[i] = i % every == 0;
      return;
    }
    const auto given = config.list("moe_layer_freq", 0, 1);
    if (given.size() != layers) {
      config.fail("moe_layer_freq", fmt::format("{} entries for {} layers", given.size(), layers));
    }
    for (std::size_t i = 0; i < layers; ++i) shape.moe[i] = given[i] == 1;
  }

  /// Whether the feed-forward networks are gated: `swiglu` of the arguments, `gated_linear_unit` of
  /// the configuration class.
  static bool read_activation(ModelConfig& config) {
    if (config.has("gated_linear_unit")) return config.flag("gated_linear_unit");
    return config.flag("swiglu");
  }

  static bool read_tied(ModelConfig& config) {
    if (config.has("share_embeddings_and_output_weights")) {
      return config.flag("share_embeddings_and_output_weights");
    }
    return !config.flag("untie_embeddings_and_output_weights");
  }

  static Parameters read_norm(ModelConfig& config, int width) {
    const auto kind = config.text("normalization");
    if (kind == "RMSNorm") return norm(width);
    if (kind != "LayerNorm") {
      config.fail("normalization", unknown_name("norm", kind, {"LayerNorm", "RMSNorm"}));
    }
    return norm(width) * 2;  // scale and bias
  }

  static Attention read_attention(ModelConfig& config, int hidden, bool bias) {
    GroupedQuery heads;
    heads.heads = config.count({"num_attention_heads"}, kMostConfigHeads);
    if (config.has("multi_latent_attention") && config.flag("multi_latent_attention")) {
      return latent(hidden,
                    {.heads = heads.heads,
                     .query_rank = config.count_or_null("q_lora_rank", 1, kMostConfigWidth, 0),
                     .key_value_rank = config.count({"kv_lora_rank"}, kMostConfigWidth),
                     .plain = config.count({"qk_head_dim"}, kMostConfigHeads),
                     .rotary = config.count({"qk_pos_emb_head_dim"}, kMostConfigHeads),
                     .value = config.count({"v_head_dim"}, kMostConfigHeads),
                     .bias = bias});
    }
    heads.key_value_heads = config.count_or_null("num_query_groups", 1, kMostConfigHeads,
                                                 static_cast<int>(heads.heads));
    heads.head_size = config.count({"kv_channels"}, kMostConfigHeads);
    heads.input_bias = bias || (config.has("add_qkv_bias") && config.flag("add_qkv_bias"));
    heads.output_bias = bias;
    Attention attention = grouped_query(hidden, heads);
    if (config.has("qk_layernorm") && config.flag("qk_layernorm")) {
      attention.parameters =
          attention.parameters + read_norm(config, static_cast<int>(heads.head_size)) * 2;
    }
    return attention;
  }
};

const bool registered = add_model_family<Megatron>("megatron", "arguments of Megatron-LM");

}  // namespace
}  // namespace bethany
