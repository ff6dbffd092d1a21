#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Every layer is MoE; `intermediate_size` is the width of an expert; queries and keys have a norm
/// over all heads together.
class Olmoe final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_common(config);
    GroupedQuery heads = read_heads(config);
    heads.head_size = read_head_size(config, shape, heads);
    heads.input_bias = heads.output_bias = config.flag("attention_bias");
    shape.attention = grouped_query(shape.hidden, heads);
    const Parameters norms =
        norm(heads.heads * heads.head_size) + norm(heads.key_value_heads * heads.head_size);
    shape.attention.parameters = shape.attention.parameters + norms;
    shape.expert = gated_ffn(shape.hidden, config.count({"intermediate_size"}, kMostConfigWidth));
    return shape;
  }
};

const bool registered = add_model_family<Olmoe>("olmoe", "OLMoE: every layer MoE");

}  // namespace
}  // namespace bethany
