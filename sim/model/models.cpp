#include <array>

#include "sim/model/moe_model.h"

namespace bethany {
namespace {

/// The GPT models of Lazarus (arXiv 2407.04656, evaluation set-up): 12 layers, all MoE, top-1, FFN
/// of 4·hidden with two matrices, vocabulary of GPT-2 with tied embeddings, sequences of 1024.
/// Gates, norms and biases are left out: the published 521M / 1.3B / 1.7B come out without them.
MoeModel lazarus_gpt(const char* name, int hidden, int experts) {
  constexpr int kLayers = 12;
  constexpr std::int64_t kVocabulary = 50257;
  constexpr std::int64_t kPositions = 1024;
  const std::int64_t d = hidden;
  MoeModel model;
  model.name = name;
  model.layers = kLayers;
  model.moe_layers = kLayers;
  model.hidden = hidden;
  model.experts = experts;
  model.top_k = 1;
  model.expert_parameters = 8 * d * d;
  model.dense_parameters = kLayers * 4 * d * d + kVocabulary * d + kPositions * d;
  model.dense_matmul_parameters = kLayers * 4 * d * d + kVocabulary * d;
  model.attention_flop_per_context = 4 * d;
  model.source =
      "Lazarus, arXiv 2407.04656, section 6: 12 layers, all MoE, FFN of 4 x hidden, top-1; GPT-2 "
      "vocabulary 50257 (tied) and 1024 positions reproduce the published parameter counts";
  return model;
}

/// Sizes from the published config.json of mistralai/Mixtral-8x7B-v0.1.
MoeModel mixtral_8x7b() {
  constexpr std::int64_t kLayers = 32;
  constexpr std::int64_t kHidden = 4096;
  constexpr std::int64_t kVocabulary = 32000;
  constexpr std::int64_t kKeyValueWidth = 8 * 128;  // 8 heads of 128
  constexpr std::int64_t kExperts = 8;
  constexpr std::int64_t kAttention = 2 * kHidden * kHidden + 2 * kHidden * kKeyValueWidth;
  constexpr std::int64_t kGate = kHidden * kExperts;
  constexpr std::int64_t kNorms = kLayers * 2 * kHidden + kHidden;
  MoeModel model;
  model.name = "mixtral-8x7b";
  model.layers = kLayers;
  model.moe_layers = kLayers;
  model.hidden = kHidden;
  model.experts = kExperts;
  model.top_k = 2;
  model.expert_parameters = 3 * kHidden * 14336;
  // Input and output embeddings are separate matrices; a token multiplies with the output one only.
  model.dense_matmul_parameters = kLayers * (kAttention + kGate) + kVocabulary * kHidden;
  model.dense_parameters = model.dense_matmul_parameters + kVocabulary * kHidden + kNorms;
  model.attention_flop_per_context = 4 * 32 * 128;
  model.source =
      "config.json of mistralai/Mixtral-8x7B-v0.1: hidden 4096, 32 layers, FFN 14336, 8 experts, "
      "top-2, 32 heads of 128, 8 of keys and values, vocabulary 32000; published total 46.7 B";
  return model;
}

/// Sizes from the published config.json of deepseek-ai/DeepSeek-V3, without the extra
/// multi-token-prediction layer, which the published 671 B leave out too.
MoeModel deepseek_v3() {
  constexpr std::int64_t kLayers = 61;
  constexpr std::int64_t kDenseLayers = 3;
  constexpr std::int64_t kMoeLayers = kLayers - kDenseLayers;
  constexpr std::int64_t kHidden = 7168;
  constexpr std::int64_t kVocabulary = 129280;
  constexpr std::int64_t kHeads = 128;
  constexpr std::int64_t kQueryRank = 1536;
  constexpr std::int64_t kKeyRank = 512;
  constexpr std::int64_t kPlain = 128;  // head size without position
  constexpr std::int64_t kRotary = 64;  // head size with position
  constexpr std::int64_t kValue = 128;
  constexpr std::int64_t kExperts = 256;
  constexpr std::int64_t kExpert = 3 * kHidden * 2048;
  constexpr std::int64_t kAttention =
      kHidden * kQueryRank + kQueryRank * kHeads * (kPlain + kRotary) +
      kHidden * (kKeyRank + kRotary) + kKeyRank * kHeads * (kPlain + kValue) +
      kHeads * kValue * kHidden;
  constexpr std::int64_t kDenseFfn = 3 * kHidden * 18432;
  constexpr std::int64_t kNorms = kLayers * (2 * kHidden + kQueryRank + kKeyRank) + kHidden;
  constexpr std::int64_t kGateBiases = kMoeLayers * kExperts;
  MoeModel model;
  model.name = "deepseek-v3";
  model.layers = kLayers;
  model.moe_layers = kMoeLayers;
  model.hidden = kHidden;
  model.experts = kExperts;
  model.top_k = 8;
  model.expert_parameters = kExpert;
  model.dense_matmul_parameters = kLayers * kAttention + kDenseLayers * kDenseFfn +
                                  kMoeLayers * (kExpert + kHidden * kExperts) +
                                  kVocabulary * kHidden;  // a shared expert in each MoE layer
  model.dense_parameters =
      model.dense_matmul_parameters + kVocabulary * kHidden + kNorms + kGateBiases;
  model.attention_flop_per_context = 2 * kHeads * (kPlain + kRotary + kValue);
  model.source =
      "config.json of deepseek-ai/DeepSeek-V3: hidden 7168, 61 layers (3 dense of FFN 18432), 256 "
      "routed and 1 shared expert of FFN 2048, top-8, multi-head latent attention, vocabulary "
      "129280; published total 671 B, the multi-token-prediction layer left out";
  return model;
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
