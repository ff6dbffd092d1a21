#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/base/registry.h"
#include "sim/model/model_shape.h"

namespace bethany {

/// The keys of a published configuration (a Hugging Face `config.json`). It is their format: keys
/// that we do not need are not looked at. A size that is needed must be there: class defaults of
/// the library belong to no model (Qwen3-30B-A3B has 48 layers, its class says 24).
/// Every complaint is an InputError with file, line and key.
class ModelConfig {
 public:
  explicit ModelConfig(ObjectReader& keys) : keys_(keys) {}

  /// A count of 1 or more, under one of its names; names that contradict each other are an error.
  int count(const std::vector<std::string>& names, int most);
  /// The same, `when_null` when the value is null: the key itself must be there.
  int count_or_null(const std::string& name, int low, int most, int when_null);
  bool flag(const std::string& name) { return keys_.boolean(name); }

  bool has(std::string_view name) const { return keys_.has(name); }
  std::string text(const std::string& name) { return keys_.string(name); }
  std::vector<std::int64_t> list(const std::string& name, std::int64_t low, std::int64_t high);
  /// Whether the value under that name is a list; false when missing.
  bool is_list(const std::string& name);
  [[noreturn]] void fail(std::string_view name, const std::string& message) const {
    keys_.fail(name, message);
  }

 private:
  ObjectReader& keys_;
};

// What most families name alike. Limits are far above any model and keep sizes within 64 bits.
inline constexpr int kMostConfigLayers = 10'000;
inline constexpr int kMostConfigHeads = 10'000;
inline constexpr int kMostConfigWidth = 10'000'000;

/// A shape with `hidden_size`, `num_hidden_layers` (all MoE), experts, top-k, vocabulary,
/// `tie_word_embeddings`, two norms a layer and one at the end.
ModelShape read_common(ModelConfig& config);
/// `num_attention_heads`, `num_key_value_heads`.
GroupedQuery read_heads(ModelConfig& config);
/// `head_dim`, or hidden / heads for a family whose files leave it out.
int read_head_size(ModelConfig& config, const ModelShape& shape, const GroupedQuery& heads);
/// Layers below `first_k_dense_replace` have no routed experts.
void read_first_dense(ModelConfig& config, ModelShape& shape);
/// The feed-forward parts of layers with routed and shared experts: `moe_intermediate_size` wide
/// ones, `n_shared_experts` of them shared, dense layers `intermediate_size` wide.
/// `balancing_bias`: the router adds a bias to each expert. Requires: shape.hidden and
/// shape.experts.
void read_shared_ffn(ModelConfig& config, bool balancing_bias, ModelShape& shape);

/// A model family: which keys its configurations have and what they mean. One `.cpp` a family,
/// named by the `model_type` that it reads.
class ModelFamily {
 public:
  virtual ~ModelFamily() = default;
  /// Name and source are filled in by the caller. Throws InputError.
  virtual ModelShape read(ModelConfig& config) const = 0;
};

Registry<ModelFamily>& model_families();

/// Adds a family without options under its `model_type`.
template <class Family>
bool add_model_family(const char* model_type, const char* summary) {
  return model_families().add({
      .name = model_type,
      .summary = summary,
      .make = [](ObjectReader&) -> std::unique_ptr<ModelFamily> {
        return std::make_unique<Family>();
      },
  });
}

}  // namespace bethany
