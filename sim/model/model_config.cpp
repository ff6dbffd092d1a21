#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/text.h"
#include "sim/model/model_family.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

constexpr char kMegatron[] = "megatron";

/// The family of a file. Megatron's arguments carry no `model_type`; they say `num_layers`, which
/// no family of Hugging Face does.
std::string family_name(ObjectReader& keys) {
  if (!keys.has("model_type") && keys.has("num_layers")) return kMegatron;
  const auto name = keys.string("model_type");
  if (model_families().find(name) == nullptr) {
    // All of them: what is near in spelling is another architecture, not a slip.
    keys.fail("model_type", fmt::format("unknown model type '{}'; known: {}", name,
                                        list_in_words(model_families().names())));
  }
  return name;
}

}  // namespace

int ModelConfig::count(const std::vector<std::string>& names, int most) {
  std::string used;
  std::int64_t value = 0;
  for (const auto& name : names) {
    if (!keys_.has(name)) continue;
    const std::int64_t given = keys_.integer(name, 1, most);
    if (!used.empty() && given != value) {
      fail(name, fmt::format("{} contradicts {} {}", given, used, value));
    }
    used = name;
    value = given;
  }
  if (used.empty()) return static_cast<int>(keys_.integer(names.front(), 1, most));  // complains
  return static_cast<int>(value);
}

int ModelConfig::count_or_null(const std::string& name, int low, int most, int when_null) {
  const auto names = keys_.keys();
  const bool is_there = std::find(names.begin(), names.end(), name) != names.end();
  if (is_there && !keys_.has(name)) return when_null;
  return static_cast<int>(keys_.integer(name, low, most));
}

std::vector<std::int64_t> ModelConfig::list(const std::string& name, std::int64_t low,
                                            std::int64_t high) {
  return keys_.integers(name, low, high);
}

bool ModelConfig::is_list(const std::string& name) {
  const JsonNode* value = keys_.raw(name);
  return value != nullptr && value->kind == JsonNode::Kind::array;
}

ModelShape read_common(ModelConfig& config) {
  constexpr int kMostHidden = 1'000'000;
  ModelShape shape;
  shape.hidden = config.count({"hidden_size"}, kMostHidden);
  const int layers = config.count({"num_hidden_layers"}, kMostConfigLayers);
  shape.moe.assign(static_cast<std::size_t>(layers), true);
  // The library maps these names onto each other, in both directions: a file that was saved again
  // has another of them.
  shape.experts = config.count({"num_local_experts", "num_experts", "n_routed_experts"}, 1 << 16);
  shape.top_k = config.count({"num_experts_per_tok"}, shape.experts);
  shape.norms = norm(shape.hidden) * 2;
  shape.final_norm = norm(shape.hidden);
  shape.router = linear(shape.hidden, shape.experts);
  shape.vocabulary = config.count({"vocab_size"}, 100'000'000);
  shape.tied = config.flag("tie_word_embeddings");
  return shape;
}

GroupedQuery read_heads(ModelConfig& config) {
  GroupedQuery heads;
  heads.heads = config.count({"num_attention_heads"}, kMostConfigHeads);
  // null: as many as there are of queries (OLMoE).
  heads.key_value_heads = config.count_or_null("num_key_value_heads", 1, kMostConfigHeads,
                                               static_cast<int>(heads.heads));
  return heads;
}

int read_head_size(ModelConfig& config, const ModelShape& shape, const GroupedQuery& heads) {
  if (config.has("head_dim")) return config.count({"head_dim"}, kMostConfigHeads);
  if (shape.hidden % heads.heads != 0) {
    config.fail("num_attention_heads",
                fmt::format("{} heads do not divide hidden_size {}", heads.heads, shape.hidden));
  }
  return static_cast<int>(shape.hidden / heads.heads);
}

void read_first_dense(ModelConfig& config, ModelShape& shape) {
  const auto layers = static_cast<int>(shape.moe.size());
  const int dense = config.count_or_null("first_k_dense_replace", 0, layers, 0);
  std::fill(shape.moe.begin(), shape.moe.begin() + dense, false);
}

void read_shared_ffn(ModelConfig& config, bool balancing_bias, ModelShape& shape) {
  const std::int64_t width = config.count({"moe_intermediate_size"}, kMostConfigWidth);
  const int shared = config.count_or_null("n_shared_experts", 0, kMostConfigHeads, 0);
  shape.dense_ffn = gated_ffn(shape.hidden, config.count({"intermediate_size"}, kMostConfigWidth));
  shape.shared = gated_ffn(shape.hidden, shared * width);
  shape.router = linear(shape.hidden, shape.experts, balancing_bias);
  shape.expert = gated_ffn(shape.hidden, width);
}

Registry<ModelFamily>& model_families() {
  static Registry<ModelFamily> registry;
  return registry;
}

MoeModel parse_model_config(std::string_view text, const std::string& file) {
  const JsonNode json = parse_json(text, file);
  ObjectReader keys(json, "");
  const auto family = family_name(keys);
  ModelConfig config(keys);
  ModelShape shape = model_families().find(family)->make(keys)->read(config);
  shape.name = family;
  shape.source =
      fmt::format("{} of {}", family == kMegatron ? "arguments" : "configuration", family);
  for (const char* key : {"num_nextn_predict_layers", "mtp_num_layers"}) {
    const auto extra = keys.integer(key, 0, kMostConfigLayers, 0);
    if (extra > 0) {
      shape.source +=
          fmt::format("; {} multi-token-prediction layer{} left out", extra, extra == 1 ? "" : "s");
    }
  }
  if (keys.has("quantization_config")) {
    shape.source += "; its quantization is how the weights are stored, bytes are those of training";
  }
  if (std::count(shape.moe.begin(), shape.moe.end(), true) == 0) {
    keys.fail("", "no layer has routed experts");
  }
  const Int128 total = parameters_in_all(shape);
  if (total > kLargestModel) {
    keys.fail("",
              fmt::format("{} parameters in all are more than {}", to_text(total), kLargestModel));
  }
  return counted(shape);
}

MoeModel read_model_config(const std::string& path) {
  return parse_model_config(read_input(path), path);
}

MoeModel model_named(const std::string& text) {
  if (is_file_name(text)) return read_model_config(text);
  const MoeModel* found = find_model(text);
  if (found == nullptr) throw InputError(unknown_name("model", text, model_names()));
  return *found;
}

}  // namespace bethany
