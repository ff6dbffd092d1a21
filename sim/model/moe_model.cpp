#include "sim/model/moe_model.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/int128.h"
#include "sim/base/text.h"
#include "sim/model/readers.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostLayers = 10'000;
constexpr std::int64_t kMostHidden = 1'000'000;
constexpr std::int64_t kMostExperts = 1 << 16;
constexpr std::int64_t kMostFlop = 1'000'000'000'000;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 32;

MoeModel read_model_object(ObjectReader& keys) {
  if (keys.has("config")) {
    MoeModel model = read_model_config(keys.file("config"));
    model.name = keys.string("name", model.name);
    keys.finish();
    return model;
  }
  keys.raw("config");
  MoeModel model;
  model.name = keys.string("name", "custom");
  model.layers = static_cast<int>(keys.integer("layers", 1, kMostLayers));
  model.moe_layers = static_cast<int>(keys.integer("moe_layers", 1, model.layers, model.layers));
  model.hidden = static_cast<int>(keys.integer("hidden", 1, kMostHidden));
  model.experts = static_cast<int>(keys.integer("experts", 1, kMostExperts));
  model.top_k = static_cast<int>(keys.integer("top_k", 1, model.experts, 1));
  model.expert_parameters = keys.integer("expert_parameters", 1, kLargestModel);
  model.dense_parameters = keys.integer("dense_parameters", 0, kLargestModel);
  model.dense_matmul_parameters =
      keys.integer("dense_matmul_parameters", 0, kLargestModel, model.dense_parameters);
  model.attention_flop_per_context =
      keys.integer("attention_flop_per_context", 0, kMostFlop, std::int64_t{4} * model.hidden);
  model.source = "given in the scenario";
  const Int128 total =
      Int128{model.moe_layers} * model.experts * model.expert_parameters + model.dense_parameters;
  if (total > kLargestModel) {
    keys.fail("",
              fmt::format("{} parameters in all are more than {}", to_text(total), kLargestModel));
  }
  keys.finish();
  return model;
}

Batch read_batch(ObjectReader keys) {
  Batch batch;
  batch.global = keys.choice("mode", {"global", "per_gpu"}, "per_gpu") == "global";
  // Four sequences suit a GPU (Lazarus, arXiv 2407.04656, section 6); nothing suits every cluster.
  batch.sequences = batch.global ? keys.integer("sequences", 1, kMostTokens)
                                 : keys.integer("sequences", 1, kMostTokens, 4);
  batch.accumulation = keys.integer("accumulation", 1, 1'000'000, 1);
  keys.finish();
  return batch;
}

Precision read_precision(ObjectReader keys) {
  Precision precision;
  const auto read = [&keys](const char* key, std::int64_t low, int fallback) {
    return static_cast<int>(keys.integer(key, low, 64, fallback));
  };
  precision.weight_bytes = read("weight_bytes", 1, precision.weight_bytes);
  precision.gradient_bytes = read("gradient_bytes", 0, precision.gradient_bytes);
  precision.master_bytes = read("master_bytes", 0, precision.master_bytes);
  precision.optimizer_bytes = read("optimizer_bytes", 0, precision.optimizer_bytes);
  keys.finish();
  return precision;
}

}  // namespace

double MoeModel::dense_flop_per_token(std::int64_t sequence_length) const {
  return 2.0 * static_cast<double>(dense_matmul_parameters) +
         static_cast<double>(layers) * static_cast<double>(attention_flop_per_context) *
             static_cast<double>(sequence_length);
}

MoeModel read_model(ObjectReader& scenario) {
  const JsonNode* value = scenario.raw("model");
  if (value == nullptr) scenario.fail("", "missing key 'model'");
  if (value->kind == JsonNode::Kind::string) {
    const MoeModel* found = find_model(value->text);
    if (found == nullptr) {
      scenario.fail("model", unknown_name("model", value->text, model_names()));
    }
    scenario.set_effective("model", JsonNode::of(found->name));
    return *found;
  }
  if (value->kind != JsonNode::Kind::object) {
    scenario.fail("model", "expected the name of a model or an object");
  }
  ObjectReader keys = scenario.object("model");
  return read_model_object(keys);
}

Training read_training(ObjectReader& keys) {
  Training training;
  training.sequence_length = keys.integer("sequence_length", 1, kMostTokens, 1024);
  training.batch = read_batch(keys.object("batch"));
  training.precision = read_precision(keys.object("precision"));
  training.recompute = keys.boolean("recompute", false);
  training.tensor_parallel = static_cast<int>(keys.integer("tensor_parallel", 1, 1024, 1));
  training.zero = static_cast<int>(keys.integer("zero", 0, 1, 0));
  training.warm_start = keys.choice("start", {"cold", "warm"}, "cold") == "warm";
  if (training.batch.sequences > kMostTokens / training.sequence_length) {
    keys.fail("batch",
              fmt::format("{} sequences of {} tokens are more than {} tokens",
                          training.batch.sequences, training.sequence_length, kMostTokens));
  }
  return training;
}

}  // namespace bethany
