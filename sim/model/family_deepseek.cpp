#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Multi-head latent attention; the first layers are dense, of width `intermediate_size`. V3 adds a
/// bias to the router that balances the load.
template <bool kBalancingBias>
class DeepSeek final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_common(config);
    read_first_dense(config, shape);
    // Hub files have the key, newer ones of the library do not: every layer then.
    const int every =
        config.has("moe_layer_freq") ? config.count({"moe_layer_freq"}, kMostConfigLayers) : 1;
    for (std::size_t i = 0; i < shape.moe.size(); ++i) {
      if (i % static_cast<std::size_t>(every) != 0) shape.moe[i] = false;
    }
    shape.attention = latent(
        shape.hidden, {.heads = config.count({"num_attention_heads"}, kMostConfigHeads),
                       .query_rank = config.count_or_null("q_lora_rank", 1, kMostConfigWidth, 0),
                       .key_value_rank = config.count({"kv_lora_rank"}, kMostConfigWidth),
                       .plain = config.count({"qk_nope_head_dim"}, kMostConfigHeads),
                       .rotary = config.count({"qk_rope_head_dim"}, kMostConfigHeads),
                       .value = config.count({"v_head_dim"}, kMostConfigHeads),
                       .bias = config.flag("attention_bias")});
    read_shared_ffn(config, kBalancingBias, shape);
    return shape;
  }
};

const bool registered2 =
    add_model_family<DeepSeek<false>>("deepseek_v2", "DeepSeek-V2: latent attention");
const bool registered3 = add_model_family<DeepSeek<true>>(
    "deepseek_v3", "DeepSeek-V3: latent attention, a bias balances the experts");

}  // namespace
}  // namespace bethany
