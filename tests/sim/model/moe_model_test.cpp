#include "sim/model/moe_model.h"

#include "sim/base/error.h"
#include "sim/model/model_answer.h"
#include "sim/model/readers.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

const MoeModel& model(const std::string& name) {
  const MoeModel* found = find_model(name);
  REQUIRE(found != nullptr);
  return *found;
}

MoeModel read(const std::string& scenario, JsonNode* effective = nullptr) {
  const auto node = parse_json(scenario, "s.json");
  ObjectReader reader(node, "", effective);
  auto result = read_model(reader);
  reader.finish();
  return result;
}

Training read_keys(const std::string& json, JsonNode* effective = nullptr) {
  const auto node = parse_json(json, "s.json");
  ObjectReader reader(node, "/training", effective);
  auto result = read_training(reader);
  reader.finish();
  return result;
}

TEST_CASE("the models of Lazarus have the published numbers of parameters") {
  CHECK(model("gpt-s").parameters() == 520'680'192);
  CHECK(model("gpt-m").parameters() == 1'310'802'944);
  CHECK(model("gpt-l").parameters() == 1'713'456'128);
  for (const char* name : {"gpt-s", "gpt-m", "gpt-l"}) {
    CHECK(model(name).layers == 12);
    CHECK(model(name).moe_layers == 12);
    CHECK(model(name).top_k == 1);
  }
}

TEST_CASE("Mixtral and DeepSeek-V3 have the published numbers of parameters") {
  const auto& mixtral = model("mixtral-8x7b");
  CHECK(mixtral.expert_parameters == 176'160'768);
  CHECK(mixtral.expert_parameters * mixtral.experts * mixtral.moe_layers == 45'097'156'608);
  CHECK(static_cast<double>(mixtral.parameters()) / 1e9 == Approx(46.7).margin(0.05));
  const auto& deepseek = model("deepseek-v3");
  CHECK(deepseek.expert_parameters == 44'040'192);
  CHECK(deepseek.expert_parameters * deepseek.experts * deepseek.moe_layers == 653'908'770'816);
  CHECK(static_cast<double>(deepseek.parameters()) / 1e9 == Approx(671).margin(0.5));
  // Published: 37 B parameters act on a token.
  const auto active = deepseek.dense_parameters + 58 * 8 * deepseek.expert_parameters;
  CHECK(static_cast<double>(active) / 1e9 == Approx(37).margin(0.6));
}

TEST_CASE("every built-in model says where its figures come from") {
  CHECK(model_names() ==
        std::vector<std::string>{"deepseek-v3", "gpt-l", "gpt-m", "gpt-s", "mixtral-8x7b"});
  for (const auto& name : model_names()) CHECK(model(name).source.size() > 20);
  CHECK(find_model("gpt-x") == nullptr);
}

TEST_CASE("the dense FLOP of a token are those of the published formula") {
  // 12 (8 d^2 + 4 · 1024 · d) + 2 · 50257 · d with d = 1024.
  CHECK(model("gpt-m").dense_flop_per_token(1024) == 253'921'280.0);
  CHECK(model("gpt-m").expert_flop_per_token() == 16.0 * 1024 * 1024);
}

TEST_CASE("a model is read by name, and echoed") {
  JsonNode effective;
  CHECK(read("{\"model\":\"gpt-l\"}", &effective).experts == 16);
  CHECK(to_line(effective) == "{\"model\":\"gpt-l\"}");
  CHECK_THROWS_WITH(read("{\"model\":\"gtp-l\"}"),
                    "s.json:1: /model: unknown model 'gtp-l'; did you mean 'gpt-l'?");
  CHECK_THROWS_WITH(read("{}"), "s.json:1: /: missing key 'model'");
  CHECK_THROWS_WITH(read("{\"model\":7}"),
                    "s.json:1: /model: expected the name of a model or an object");
}

TEST_CASE("a model is read from an object, and the echo reads back") {
  const std::string text =
      "{\"model\":{\"layers\":4,\"moe_layers\":2,\"hidden\":64,\"experts\":8,"
      "\"expert_parameters\":1000,\"dense_parameters\":5000}}";
  JsonNode effective;
  const auto read_once = read(text, &effective);
  CHECK(read_once.name == "custom");
  CHECK(read_once.moe_layers == 2);
  CHECK(read_once.top_k == 1);
  CHECK(read_once.dense_matmul_parameters == 5000);
  CHECK(read_once.attention_flop_per_context == 256);
  CHECK(read_once.parameters() == 5000 + 2 * 8 * 1000);
  JsonNode again;
  read(to_line(effective), &again);
  CHECK(to_line(again) == to_line(effective));
}

TEST_CASE("wrong model objects are refused") {
  const auto with = [](const std::string& more) {
    return "{\"model\":{\"layers\":4,\"hidden\":64,\"experts\":8,\"dense_parameters\":1" + more +
           "}}";
  };
  CHECK_THROWS_WITH(read(with("")), "s.json:1: /model: missing key 'expert_parameters'");
  CHECK_THROWS_WITH(read(with(",\"expert_parameters\":1,\"moe_layers\":5")),
                    Catch::Contains("/model/moe_layers: 5 is outside 1..4"));
  CHECK_THROWS_WITH(read(with(",\"expert_parameters\":1,\"top_k\":9")),
                    Catch::Contains("/model/top_k: 9 is outside 1..8"));
  CHECK_THROWS_WITH(read(with(",\"expert_parameters\":1,\"hiden\":9")),
                    Catch::Contains("unknown key 'hiden'; did you mean 'hidden'?"));
  CHECK_THROWS_WITH(read(with(",\"expert_parameters\":100000000000000")),
                    Catch::Contains("/model: 3200000000000001 parameters in all are more than"));
}

TEST_CASE("training has the defaults of the contract") {
  JsonNode effective;
  const auto training = read_keys("{}", &effective);
  CHECK(training.sequence_length == 1024);
  CHECK_FALSE(training.batch.global);
  CHECK(training.batch.sequences == 4);
  CHECK(training.batch.accumulation == 1);
  CHECK(training.precision.memory_bytes() == 16);
  CHECK(training.precision.state_bytes() == 14);
  CHECK_FALSE(training.recompute);
  CHECK(training.tensor_parallel == 1);
  CHECK(training.zero == 0);
  CHECK_FALSE(training.warm_start);
  CHECK(to_line(effective) ==
        "{\"sequence_length\":1024,\"batch\":{\"mode\":\"per_gpu\",\"sequences\":4,"
        "\"accumulation\":1},\"precision\":{\"weight_bytes\":2,\"gradient_bytes\":2,"
        "\"master_bytes\":4,\"optimizer_bytes\":8},\"recompute\":false,\"tensor_parallel\":1,"
        "\"zero\":0,\"start\":\"cold\"}");
}

TEST_CASE("a global batch must be given") {
  const auto training = read_keys("{\"batch\":{\"mode\":\"global\",\"sequences\":40}}");
  CHECK(training.batch.global);
  CHECK(training.batch.sequences == 40);
  CHECK_THROWS_WITH(read_keys("{\"batch\":{\"mode\":\"global\"}}"),
                    Catch::Contains("/training/batch: missing key 'sequences'"));
  CHECK_THROWS_WITH(read_keys("{\"zero\":2}"), Catch::Contains("2 is outside 0..1"));
  CHECK_THROWS_WITH(read_keys("{\"start\":\"hot\"}"), Catch::Contains("unknown value 'hot'"));
  CHECK_THROWS_WITH(read_keys("{\"sequence_length\":1000000,\"batch\":{\"sequences\":1000000}}"),
                    Catch::Contains("are more than 4294967296 tokens"));
}

TEST_CASE("the memory of a GPU is the dense part, its slots and a reserve") {
  Training training;
  const Bytes memory{std::int64_t{24} << 30};
  const auto sum = memory_sum(model("gpt-l"), training, memory, 10);
  // 16 B of (12 · 4 d^2 + 51281 d) and of 12 · 8 d^2, with d = 1024.
  CHECK(sum.dense.value == 16 * 102'843'392LL);
  CHECK(sum.per_slot.value == 16 * 12 * 8'388'608LL);
  CHECK(sum.reserved.value == 5'153'960'756);  // a fifth, rounded up
  CHECK(sum.slots_max == 11);                  // (25.770 - 5.154 - 1.645) / 1.611 = 11.8
  CHECK(sum.needed(6).value == sum.reserved.value + sum.dense.value + 6 * sum.per_slot.value);
}

TEST_CASE("tensor parallelism and ZeRO-1 make the dense part of a GPU smaller") {
  MoeModel small = model("gpt-s");
  small.dense_parameters = 1000;
  const Bytes memory{1'000'000'000};
  Training training;
  CHECK(memory_sum(small, training, memory, 8).dense.value == 16'000);
  training.tensor_parallel = 4;
  CHECK(memory_sum(small, training, memory, 8).dense.value == 4'000);
  training.zero = 1;
  // 4 B of a quarter, and 12 B of an eighth of all.
  CHECK(memory_sum(small, training, memory, 8).dense.value == 250 * 4 + 125 * 12);
  training.tensor_parallel = 1;
  CHECK(memory_sum(small, training, memory, 8).dense.value == 1000 * 4 + 125 * 12);
}

TEST_CASE("a GPU too small for the dense part has no slots") {
  CHECK(memory_sum(model("deepseek-v3"), Training{}, {141'000'000'000}, 64).slots_max == 0);
}

TEST_CASE("a node of 8 H200 holds one slot of DeepSeek-V3 a GPU") {
  // Dense part 17,117,648,384: an eighth of it at 16 B; a slot 58 experts of 44,040,192 at 16 B.
  const auto& deepseek = model("deepseek-v3");
  const auto& node = *find_node_type("h200-8x400g");
  Training training;
  training.tensor_parallel = 8;
  const auto sum = memory_sum(deepseek, training, node.gpu_memory, 512);
  CHECK(sum.available.value == 141'000'000'000);
  CHECK(sum.reserved.value == 28'200'000'000);
  CHECK(sum.dense.value == 34'235'296'768);
  CHECK(sum.per_slot.value == 40'869'298'176);
  CHECK(sum.slots_max == 1);  // 28.2 + 34.2 + 2 · 40.9 = 144.2
  // The state stands once in 671,026,419,200 · 16 B = 10.74 TB; 64 nodes hold the dense part 64
  // times and each expert twice.
  CHECK(512 * (sum.dense.value + sum.per_slot.value) ==
        64 * 16 * deepseek.dense_parameters +
            2 * 16 * (deepseek.parameters() - deepseek.dense_parameters));
  // ZeRO-1 leaves 4 B of an eighth, and 12 B of one part in 512: a second slot fits.
  training.zero = 1;
  const auto sharded = memory_sum(deepseek, training, node.gpu_memory, 512);
  CHECK(sharded.dense.value == 8'558'824'192 + 12 * 33'432'907LL);
  CHECK(sharded.slots_max == 2);
}

TEST_CASE("model show answers sizes and memory") {
  const auto answer = model_answer(model("gpt-m"), Training{}, *find_node_type("rtx3090-100g"), 10);
  const auto at = [&answer](const char* object, const char* key) {
    return answer.find(object)->find(key)->integer;
  };
  CHECK(answer.find("schema")->text == "bethany/model-show/1");
  CHECK(answer.find("version") != nullptr);
  CHECK(at("parameters", "total") == 1'310'802'944);
  CHECK(at("parameters", "expert") == 8'388'608);
  CHECK(at("parameters", "dense") + at("parameters", "routed") == at("parameters", "total"));
  CHECK(answer.find("moe_layers")->integer == 12);
  CHECK(answer.find("moe_layer_mask")->text == "111111111111");
  CHECK(at("parameters", "attention") == 12 * 4 * 1024 * 1024);
  CHECK(at("parameters", "embeddings") == (50257 + 1024) * 1024);
  CHECK(at("parameters", "active_per_token") == 102'843'392 + 12 * 8'388'608);
  CHECK(answer.find("bytes_per_slot")->integer == 16 * 12 * 8'388'608LL);
  CHECK(at("state_bytes", "checkpoint") == 18'351'241'216);
  CHECK(at("memory_per_gpu_bytes", "per_slot") == answer.find("bytes_per_slot")->integer);
  CHECK(answer.find("slots_per_gpu_max")->integer == 11);
}

}  // namespace
}  // namespace bethany
