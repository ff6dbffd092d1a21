#include "sim/model/model_family.h"

namespace bethany {
namespace {

/// Every layer is MoE; `intermediate_size` is the width of an expert.
class Mixtral final : public ModelFamily {
 public:
  ModelShape read(ModelConfig& config) const override {
    ModelShape shape = read_common(config);
    GroupedQuery heads = read_heads(config);
    heads.head_size = read_head_size(config, shape, heads);
    shape.attention = grouped_query(shape.hidden, heads);
    shape.expert = gated_ffn(shape.hidden, config.count({"intermediate_size"}, kMostConfigWidth));
    return shape;
  }
};

const bool registered = add_model_family<Mixtral>("mixtral", "Mixtral: every layer MoE");

}  // namespace
}  // namespace bethany
