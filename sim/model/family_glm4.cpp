#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// The first layers are dense, of width `intermediate_size`; a bias of the router balances the
/// load; the output matrix of the attention never has a bias.
class Glm4Moe final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_common(config);
    read_first_dense(config, shape);
    GroupedQuery heads = read_heads(config);
    heads.head_size = config.count({"head_dim"}, kMostConfigHeads);
    heads.input_bias = config.flag("attention_bias");
    shape.attention = grouped_query(shape.hidden, heads);
    if (config.flag("use_qk_norm")) {
      shape.attention.parameters = shape.attention.parameters + norm(heads.head_size) * 2;
    }
    read_shared_ffn(config, true, shape);
    return shape;
  }
};

const bool registered =
    add_model_family<Glm4Moe>("glm4_moe", "GLM-4.5: grouped-query attention, shared experts");

}  // namespace
}  // namespace bethany
