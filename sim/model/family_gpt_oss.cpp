#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Every layer is MoE; `intermediate_size` is the width of an expert; router and experts have
/// biases, each head of the attention a learned sink.
class GptOss final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_common(config);
    GroupedQuery heads = read_heads(config);
    heads.head_size = config.count({"head_dim"}, kMostConfigHeads);
    heads.input_bias = heads.output_bias = config.flag("attention_bias");
    shape.attention = grouped_query(shape.hidden, heads);
    shape.attention.parameters.other += heads.heads;  // the sinks
    shape.router = linear(shape.hidden, shape.experts, true);
    shape.expert =
        gated_ffn(shape.hidden, config.count({"intermediate_size"}, kMostConfigWidth), true);
    return shape;
  }
};

const bool registered =
    add_model_family<GptOss>("gpt_oss", "gpt-oss: every layer MoE, biases everywhere");

}  // namespace
}  // namespace bethany
