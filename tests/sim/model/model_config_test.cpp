#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/error.h"
#include "sim/model/readers.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// The keys of a configuration that say how large the model is, as their publishers give them.
using Keys = std::vector<std::pair<std::string, std::string>>;

/// The keys with some replaced, added, or (value "") taken away.
Keys with(Keys keys, const Keys& changes) {
  for (const auto& [key, value] : changes) {
    bool found = false;
    for (auto& [old, text] : keys) {
      if (old == key) {
        text = value;
        found = true;
      }
    }
    if (!found) keys.emplace_back(key, value);
  }
  return keys;
}

/// One key a line, after a line with the brace.
std::string text_of(const Keys& keys) {
  std::string text = "{";
  for (const auto& [key, value] : keys) {
    if (value.empty()) continue;
    text += (text == "{" ? "\n" : ",\n") + ("\"" + key + "\": ") + value;
  }
  return text + "\n}\n";
}

MoeModel read(const Keys& keys) { return parse_model_config(text_of(keys), "c.json"); }

const Keys kMixtral = {{"model_type", "\"mixtral\""}, {"hidden_size", "4096"},
                       {"num_hidden_layers", "32"},   {"num_attention_heads", "32"},
                       {"num_key_value_heads", "8"},  {"intermediate_size", "14336"},
                       {"num_local_experts", "8"},    {"num_experts_per_tok", "2"},
                       {"vocab_size", "32000"},       {"tie_word_embeddings", "false"}};

const Keys kDeepSeekV3 = {{"model_type", "\"deepseek_v3\""},
                          {"hidden_size", "7168"},
                          {"num_hidden_layers", "61"},
                          {"num_attention_heads", "128"},
                          {"q_lora_rank", "1536"},
                          {"kv_lora_rank", "512"},
                          {"qk_nope_head_dim", "128"},
                          {"qk_rope_head_dim", "64"},
                          {"v_head_dim", "128"},
                          {"attention_bias", "false"},
                          {"intermediate_size", "18432"},
                          {"moe_intermediate_size", "2048"},
                          {"n_routed_experts", "256"},
                          {"n_shared_experts", "1"},
                          {"first_k_dense_replace", "3"},
                          {"num_experts_per_tok", "8"},
                          {"vocab_size", "129280"},
                          {"tie_word_embeddings", "false"}};

const Keys kDeepSeekV2Lite = with(kDeepSeekV3, {{"model_type", "\"deepseek_v2\""},
                                                {"hidden_size", "2048"},
                                                {"num_hidden_layers", "27"},
                                                {"num_attention_heads", "16"},
                                                {"q_lora_rank", "null"},
                                                {"intermediate_size", "10944"},
                                                {"moe_intermediate_size", "1408"},
                                                {"n_routed_experts", "64"},
                                                {"n_shared_experts", "2"},
                                                {"first_k_dense_replace", "1"},
                                                {"moe_layer_freq", "1"},
                                                {"num_experts_per_tok", "6"},
                                                {"vocab_size", "102400"}});

const Keys kQwen15 = {{"model_type", "\"qwen2_moe\""},
                      {"hidden_size", "2048"},
                      {"num_hidden_layers", "24"},
                      {"num_attention_heads", "16"},
                      {"num_key_value_heads", "16"},
                      {"decoder_sparse_step", "1"},
                      {"intermediate_size", "5632"},
                      {"moe_intermediate_size", "1408"},
                      {"shared_expert_intermediate_size", "5632"},
                      {"num_experts", "60"},
                      {"num_experts_per_tok", "4"},
                      {"vocab_size", "151936"},
                      {"tie_word_embeddings", "false"}};

const Keys kQwen3 = {{"model_type", "\"qwen3_moe\""},  {"hidden_size", "2048"},
                     {"num_hidden_layers", "48"},      {"num_attention_heads", "32"},
                     {"num_key_value_heads", "4"},     {"head_dim", "128"},
                     {"attention_bias", "false"},      {"decoder_sparse_step", "1"},
                     {"mlp_only_layers", "[]"},        {"intermediate_size", "6144"},
                     {"moe_intermediate_size", "768"}, {"num_experts", "128"},
                     {"num_experts_per_tok", "8"},     {"vocab_size", "151936"},
                     {"tie_word_embeddings", "false"}};

const Keys kOlmoe = {
    {"model_type", "\"olmoe\""},   {"hidden_size", "2048"},         {"num_hidden_layers", "16"},
    {"num_attention_heads", "16"}, {"num_key_value_heads", "16"},   {"attention_bias", "false"},
    {"intermediate_size", "1024"}, {"num_experts", "64"},           {"num_experts_per_tok", "8"},
    {"vocab_size", "50304"},       {"tie_word_embeddings", "false"}};

const Keys kGptOss = {
    {"model_type", "\"gpt_oss\""}, {"hidden_size", "2880"},       {"num_hidden_layers", "36"},
    {"num_attention_heads", "64"}, {"num_key_value_heads", "8"},  {"head_dim", "64"},
    {"attention_bias", "true"},    {"intermediate_size", "2880"}, {"num_local_experts", "128"},
    {"num_experts_per_tok", "4"},  {"vocab_size", "201088"},      {"tie_word_embeddings", "false"}};

const Keys kGlmAir = {
    {"model_type", "\"glm4_moe\""},    {"hidden_size", "4096"},      {"num_hidden_layers", "46"},
    {"num_attention_heads", "96"},     {"num_key_value_heads", "8"}, {"head_dim", "128"},
    {"attention_bias", "true"},        {"use_qk_norm", "false"},     {"intermediate_size", "10944"},
    {"moe_intermediate_size", "1408"}, {"n_routed_experts", "128"},  {"n_shared_experts", "1"},
    {"first_k_dense_replace", "1"},    {"num_experts_per_tok", "8"}, {"vocab_size", "151552"},
    {"tie_word_embeddings", "false"}};

/// Mixtral as arguments of Megatron-LM.
const Keys kMegatron = {{"num_layers", "32"},
                        {"hidden_size", "4096"},
                        {"num_attention_heads", "32"},
                        {"num_query_groups", "8"},
                        {"kv_channels", "128"},
                        {"ffn_hidden_size", "14336"},
                        {"moe_ffn_hidden_size", "14336"},
                        {"num_moe_experts", "8"},
                        {"moe_router_topk", "2"},
                        {"moe_layer_freq", "1"},
                        {"padded_vocab_size", "32000"},
                        {"normalization", "\"RMSNorm\""},
                        {"swiglu", "true"},
                        {"add_bias_linear", "false"},
                        {"untie_embeddings_and_output_weights", "true"}};

struct Published {
  const char* name;
  const Keys& keys;
  double billions;     // as the publishers round it
  std::int64_t total;  // by hand, and where the weights' index gives it, that
  std::int64_t expert;
  double active_billions;
};

TEST_CASE("configurations have the published numbers of parameters, to the last one") {
  const Keys gpt_oss_20b =
      with(kGptOss, {{"num_hidden_layers", "24"}, {"num_local_experts", "32"}});
  const Published models[] = {
      {"Mixtral-8x7B", kMixtral, 46.7, 46'702'792'704, 176'160'768, 12.9},
      {"DeepSeek-V3", kDeepSeekV3, 671.0, 671'026'419'200, 44'040'192, 37.5},
      {"DeepSeek-V2-Lite", kDeepSeekV2Lite, 15.7, 15'706'484'224, 8'650'752, 2.66},
      {"Qwen1.5-MoE-A2.7B", kQwen15, 14.3, 14'315'784'192, 8'650'752, 2.69},
      {"Qwen3-30B-A3B", kQwen3, 30.5, 30'532'122'624, 4'718'592, 3.35},
      {"OLMoE-1B-7B", kOlmoe, 6.9, 6'919'161'856, 6'291'456, 1.28},
      {"gpt-oss-120b", kGptOss, 116.8, 116'829'156'672, 24'891'840, 5.71},
      {"gpt-oss-20b", gpt_oss_20b, 20.9, 20'914'757'184, 24'891'840, 4.19},
      {"GLM-4.5-Air", kGlmAir, 106.9, 106'852'251'264, 17'301'504, 13.4},
  };
  for (const auto& published : models) {
    INFO(published.name);
    const auto model = read(published.keys);
    CHECK(model.parameters() == published.total);
    CHECK(model.expert_parameters == published.expert);
    CHECK(static_cast<double>(model.parameters()) / 1e9 == Approx(published.billions).margin(0.05));
    const auto active = model.dense_parameters +
                        std::int64_t{model.moe_layers} * model.top_k * model.expert_parameters;
    CHECK(static_cast<double>(active) / 1e9 == Approx(published.active_billions).margin(0.06));
    std::int64_t parts = 0;
    for (const auto& part : model.dense_parts) parts += part.parameters;
    CHECK(parts == model.dense_parameters);
  }
}

void check_equal(const MoeModel& a, const MoeModel& b) {
  CHECK(a.layers == b.layers);
  CHECK(a.moe_layers == b.moe_layers);
  CHECK(a.moe_layer_mask == b.moe_layer_mask);
  CHECK(a.hidden == b.hidden);
  CHECK(a.experts == b.experts);
  CHECK(a.top_k == b.top_k);
  CHECK(a.expert_parameters == b.expert_parameters);
  CHECK(a.dense_parameters == b.dense_parameters);
  CHECK(a.dense_matmul_parameters == b.dense_matmul_parameters);
  CHECK(a.attention_flop_per_context == b.attention_flop_per_context);
}

TEST_CASE("built-in models equal their configurations") {
  check_equal(*find_model("mixtral-8x7b"), read(kMixtral));
  check_equal(*find_model("deepseek-v3"), read(kDeepSeekV3));
  check_equal(*find_model("mixtral-8x7b"), read(kMegatron));
  CHECK(find_model("deepseek-v3")->moe_layer_mask == "000" + std::string(58, '1'));
}

TEST_CASE("the parts of gpt-oss, by hand") {
  const auto model = read(kGptOss);
  const auto part = [&model](const std::string& name) {
    for (const auto& each : model.dense_parts) {
      if (each.name == name) return each.parameters;
    }
    return std::int64_t{-1};
  };
  // Queries and output 2880 x 4096, keys and values 2880 x 512; their biases; 64 sinks.
  CHECK(part("attention") ==
        36LL * (2 * 2880 * 4096 + 2 * 2880 * 512 + 4096 + 2 * 512 + 2880 + 64));
  CHECK(part("router") == 36LL * (2880 * 128 + 128));
  CHECK(part("norms") == 36LL * 2 * 2880 + 2880);
  CHECK(part("embeddings") == 2LL * 201088 * 2880);
  CHECK(part("dense_ffn") == 0);
  CHECK(part("shared_experts") == 0);
  // Biases and input rows multiply with nothing.
  CHECK(model.dense_matmul_parameters ==
        36LL * (2 * 2880 * 4096 + 2 * 2880 * 512 + 2880 * 128) + 201088LL * 2880);
}

TEST_CASE("a tied output matrix counts once, and multiplies all the same") {
  const auto apart = read(kMixtral);
  const auto tied = read(with(kMixtral, {{"tie_word_embeddings", "true"}}));
  CHECK(apart.parameters() - tied.parameters() == 32000LL * 4096);
  CHECK(apart.dense_matmul_parameters == tied.dense_matmul_parameters);
}

TEST_CASE("experts have one of three names, in files that were saved again") {
  for (const auto& keys : {kMixtral, kDeepSeekV3, kQwen3, kOlmoe, kGptOss, kGlmAir}) {
    std::string old;
    std::string experts;
    for (const auto& [key, value] : keys) {
      if (key.ends_with("experts") && key != "n_shared_experts") {
        old = key;
        experts = value;
      }
    }
    INFO(old);
    for (const char* name : {"num_local_experts", "num_experts", "n_routed_experts"}) {
      const auto renamed = with(with(keys, {{old, ""}}), {{name, experts}});
      check_equal(read(renamed), read(keys));
      check_equal(read(with(keys, {{name, experts}})), read(keys));  // both, and they agree
    }
  }
  CHECK_THROWS_WITH(read(with(kMixtral, {{"n_routed_experts", "9"}})),
                    "c.json:12: /n_routed_experts: 9 contradicts num_local_experts 8");
}

TEST_CASE("no size is filled in: every key of a configuration is asked for") {
  for (const auto& keys :
       {kMixtral, kDeepSeekV3, kQwen15, kQwen3, kOlmoe, kGptOss, kGlmAir, kMegatron}) {
    for (const auto& [key, value] : keys) {
      if (key == "mlp_only_layers" || key == "moe_ffn_hidden_size") continue;  // may be left out
      INFO(key);
      CHECK_THROWS_WITH(read(with(keys, {{key, ""}})),
                        Catch::StartsWith("c.json:1: /: missing key '") &&
                            (Catch::Contains("'" + key + "'") || Catch::Contains("expert") ||
                             Catch::Contains("vocab") || Catch::Contains("model_type")));
    }
  }
  CHECK_THROWS_WITH(read(with(kQwen3, {{"head_dim", ""}})), "c.json:1: /: missing key 'head_dim'");
}

TEST_CASE("which layers have experts") {
  const auto mask = [](const Keys& keys, const Keys& changes) {
    return read(with(keys, changes)).moe_layer_mask;
  };
  const Keys six = {{"num_hidden_layers", "6"}};
  CHECK(mask(with(kQwen3, six), {{"decoder_sparse_step", "2"}}) == "010101");
  CHECK(mask(with(kQwen3, six), {{"mlp_only_layers", "[0, 5]"}}) == "011110");
  CHECK(mask(with(kDeepSeekV3, six), {}) == "000111");
  CHECK(mask(with(kDeepSeekV3, six), {{"moe_layer_freq", "2"}}) == "000010");
  CHECK(mask(with(kDeepSeekV3, six), {{"first_k_dense_replace", "0"}}) == "111111");
  const Keys megatron = with(kMegatron, {{"num_layers", "6"}});
  CHECK(mask(megatron, {{"moe_layer_freq", "2"}}) == "101010");
  CHECK(mask(megatron, {{"moe_layer_freq", "[0,1,1,0,1,1]"}}) == "011011");
  CHECK_THROWS_WITH(read(with(megatron, {{"moe_layer_freq", "[0,1]"}})),
                    "c.json:11: /moe_layer_freq: 2 entries for 6 layers");
  CHECK_THROWS_WITH(read(with(kDeepSeekV3, {{"first_k_dense_replace", "61"}})),
                    "c.json:1: /: no layer has routed experts");
}

TEST_CASE("what stands in a file and is not trained is said") {
  const auto model = read(with(kDeepSeekV3, {{"num_nextn_predict_layers", "1"},
                                             {"quantization_config", "{\"quant_method\": \"fp8\"}"},
                                             {"rope_scaling", "{\"factor\": 40}"}}));
  check_equal(model, read(kDeepSeekV3));
  CHECK(model.source ==
        "configuration of deepseek_v3; 1 multi-token-prediction layer left out; its quantization "
        "is how the weights are stored, bytes are those of training");
}

TEST_CASE("OLMoE's null of key and value heads means as many as of queries") {
  check_equal(read(with(kOlmoe, {{"num_key_value_heads", "null"}})), read(kOlmoe));
}

TEST_CASE("Megatron's switches add what they name") {
  const auto plain = read(kMegatron);
  const auto extra = [&plain](const Keys& changes) {
    return read(with(kMegatron, changes)).parameters() - plain.parameters();
  };
  CHECK(extra({{"normalization", "\"LayerNorm\""}}) == 32LL * 2 * 4096 + 4096);
  CHECK(extra({{"swiglu", "false"}}) == -32LL * 8 * 4096 * 14336);
  CHECK(extra({{"add_qkv_bias", "true"}}) == 32LL * (4096 + 2 * 1024));
  CHECK(extra({{"add_bias_linear", "true"}}) ==
        32LL * (4096 + 2 * 1024 + 4096 + 8 * (2 * 14336 + 4096)));
  CHECK(extra({{"qk_layernorm", "true"}}) == 32LL * 2 * 128);
  CHECK(extra({{"moe_shared_expert_intermediate_size", "1000"}}) == 32LL * 3 * 4096 * 1000);
  CHECK(extra({{"position_embedding_type", "\"learned_absolute\""},
               {"max_position_embeddings", "2048"}}) == 2048LL * 4096);
  CHECK_THROWS_WITH(read(with(kMegatron, {{"normalization", "\"RMSnorm\""}})),
                    Catch::Contains("did you mean 'RMSNorm'?"));
}

TEST_CASE("wrong configurations are refused with file, line and key") {
  CHECK_THROWS_WITH(read(with(kMixtral, {{"model_type", "\"mistral\""}})),
                    "c.json:2: /model_type: unknown model type 'mistral'; known: deepseek_v2, "
                    "deepseek_v3, glm4_moe, gpt_oss, megatron, mixtral, olmoe, qwen2_moe and "
                    "qwen3_moe");
  CHECK_THROWS_WITH(read({{"hidden_size", "1"}}), "c.json:1: /: missing key 'model_type'");
  CHECK_THROWS_WITH(read(with(kMixtral, {{"hidden_size", "4096.5"}})),
                    Catch::StartsWith("c.json:3: /hidden_size: expected a whole number"));
  CHECK_THROWS_WITH(read(with(kMixtral, {{"hidden_size", "4100"}})),
                    "c.json:5: /num_attention_heads: 32 heads do not divide hidden_size 4100");
  CHECK_THROWS_WITH(read(with(kMixtral, {{"num_experts_per_tok", "9"}})),
                    "c.json:9: /num_experts_per_tok: 9 is outside 1..8");
  CHECK_THROWS_WITH(
      read(with(kMixtral, {{"intermediate_size", "9999999"}, {"num_local_experts", "60000"}})),
      Catch::Contains("parameters in all are more than"));
  CHECK_THROWS_WITH(parse_model_config("[1]", "c.json"),
                    Catch::Contains("c.json:1: /: expected an object"));
}

TEST_CASE("a scenario names a configuration relative to itself, and the echo reads back") {
  const auto folder = std::filesystem::temp_directory_path() / "bethany-model-config";
  std::filesystem::create_directories(folder / "models");
  std::ofstream(folder / "models" / "config.json") << text_of(kOlmoe);
  const auto read_scenario = [&folder](const std::string& text, JsonNode* effective) {
    const auto node = parse_json(text, (folder / "s.json").string());
    ObjectReader reader(node, "", effective);
    auto model = read_model(reader);
    reader.finish();
    return model;
  };
  JsonNode effective;
  const auto model = read_scenario(R"({"model":{"config":"models/config.json"}})", &effective);
  check_equal(model, read(kOlmoe));
  CHECK(model.name == "olmoe");
  const auto echo = to_text(effective, folder.string());
  CHECK(echo.find("\"config\": \"models/config.json\"") != std::string::npos);
  check_equal(read_scenario(echo, nullptr), model);
  CHECK(read_scenario(R"({"model":{"config":"models/config.json","name":"mine"}})", nullptr).name ==
        "mine");
  CHECK_THROWS_WITH(
      read_scenario(R"({"model":{"config":"models/config.json","layers":3}})", nullptr),
      Catch::Contains("/model/layers: unknown key 'layers'"));
  CHECK_THROWS_WITH(read_scenario(R"({"model":{"config":"models/none.json"}})", nullptr),
                    Catch::Contains("models/none.json"));
  check_equal(model_named((folder / "models" / "config.json").string()), model);
  CHECK(model_named("gpt-l").experts == 16);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace bethany
