#include <array>

#include "sim/model/model_shape.h"

namespace bethany {
namespace {

/// The GPT models of Lazarus (arXiv 2407.04656, evaluation set-up): 12 layers, all MoE, top-1, FFN
/// of 4·hidden with two matrices, vocabulary of GPT-2 with tied embeddings, sequences of 1024.
/// Gates, norms and biases are left out: the published 521M / 1.3B / 1.7B come out without them.
MoeModel lazarus_gpt(const char* name, int hidden, int experts) {
  ModelShape shape;
  shape.name = name;
  shape.source =
      "Lazarus, arXiv 2407.04656, section 6: 12 layers, all MoE, FFN of 4 x hidden, top-1; GPT-2 "
      "vocabulary 50257 (tied) and 1024 positions reproduce the published parameter counts";
  shape.hidden = hidden;
  shape.moe.assign(12, true);
  shape.experts = experts;
  const int heads = hidden / 64;
  shape.attention =
      grouped_query(hidden, {.heads = heads, .key_value_heads = heads, .head_size = 64});
  shape.expert = plain_ffn(hidden, std::int64_t{4} * hidden);
  shape.vocabulary = 50257;
  shape.tied = true;
  shape.positions = 1024;
  return counted(shape);
}

/// Sizes from the published config.json of mistralai/Mixtral-8x7B-v0.1.
MoeModel mixtral_8x7b() {
  constexpr int kHidden = 4096;
  ModelShape shape;
  shape.name = "mixtral-8x7b";
  shape.source =
      "config.json of mistralai/Mixtral-8x7B-v0.1: hidden 4096, 32 layers, FFN 14336, 8 experts, "
      "top-2, 32 heads of 128, 8 of keys and values, vocabulary 32000; published total 46.7 B";
  shape.hidden = kHidden;
  shape.moe.assign(32, true);
  shape.experts = 8;
  shape.top_k = 2;
  shape.attention = grouped_query(kHidden, {.heads = 32, .key_value_heads = 8, .head_size = 128});
  shape.norms = norm(kHidden) * 2;
  shape.final_norm = norm(kHidden);
  shape.router = linear(kHidden, shape.experts);
  shape.expert = gated_ffn(kHidden, 14336);
  shape.vocabulary = 32000;
  return counted(shape);
}

/// Sizes from the published config.json of deepseek-ai/DeepSeek-V3, without the extra
/// multi-token-prediction layer, which the published 671 B leave out too.
MoeModel deepseek_v3() {
  constexpr int kHidden = 7168;
  constexpr int kDenseLayers = 3;
  ModelShape shape;
  shape.name = "deepseek-v3";
  shape.source =
      "config.json of deepseek-ai/DeepSeek-V3: hidden 7168, 61 layers (3 dense of FFN 18432), 256 "
      "routed and 1 shared expert of FFN 2048, top-8, multi-head latent attention, vocabulary "
      "129280; published total 671 B, the multi-token-prediction layer left out";
  shape.hidden = kHidden;
  shape.moe.assign(61, true);
  for (int layer = 0; layer < kDenseLayers; ++layer)
    shape.moe[static_cast<std::size_t>(layer)] = false;
  shape.experts = 256;
  shape.top_k = 8;
  shape.attention = latent(kHidden, {.heads = 128,
                                     .query_rank = 1536,
                                     .key_value_rank = 512,
                                     .plain = 128,
                                     .rotary = 64,
                                     .value = 128});
  shape.norms = norm(kHidden) * 2;
  shape.final_norm = norm(kHidden);
  shape.dense_ffn = gated_ffn(kHidden, 18432);
  shape.shared = gated_ffn(kHidden, 2048);
  shape.router = linear(kHidden, shape.experts, true);  // the bias balances the load
  shape.expert = gated_ffn(kHidden, 2048);
  shape.vocabulary = 129280;
  return counted(shape);
}

const std::array<MoeModel, 5>& built_in_models() {
  static const std::array<MoeModel, 5> models = {deepseek_v3(), lazarus_gpt("gpt-l", 1024, 16),
                                                 lazarus_gpt("gpt-m", 1024, 12),
                                                 lazarus_gpt("gpt-s", 768, 8), mixtral_8x7b()};
  return models;
}

}  // namespace

const MoeModel* find_model(const std::string& name) {
  for (const auto& model : built_in_models()) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& model : built_in_models()) names.push_back(model.name);
  return names;
}

}  // namespace bethany
