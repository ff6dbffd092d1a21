// What a model weighs and what a profile says: `model show`, `profile show`.
#include <algorithm>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace bethany::test {
namespace {

constexpr char kConfig[] = R"({
  "architectures": ["MixtralForCausalLM"],
  "model_type": "mixtral",
  "hidden_size": 4096, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 8,
  "intermediate_size": 14336,
  "num_local_experts": 8, "num_experts_per_tok": 2,
  "vocab_size": 32000, "tie_word_embeddings": false
})";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto place = text.find(from);
  REQUIRE(place != std::string::npos);
  return text.replace(place, from.size(), to);
}

TEST_CASE("model show prints built-ins and configurations alike") {
  const TemporaryDirectory directory;
  const auto path = directory.write("config.json", kConfig);
  const auto built_in = bethany_command({"model", "show", "mixtral-8x7b", "--format", "json"});
  const auto read = bethany_command({"model", "show", path, "--format", "json"});
  CHECK(built_in.exit_code == 0);
  CHECK(read.exit_code == 0);
  CHECK(contains(read.out, R"("total": 46702792704)"));
  CHECK(contains(read.out, R"("embeddings": 262144000)"));
  const auto sizes = [](const std::string& out) { return out.substr(out.find("\"layers\"")); };
  CHECK(sizes(read.out) == sizes(built_in.out));
  CHECK(contains(bethany_command({"model", "show", path}).out, "slots_per_gpu_max"));
}

TEST_CASE("a wrong configuration names file, line and key, and ends with 3") {
  const TemporaryDirectory directory;
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& part) {
    const auto path = directory.write("config.json", replaced(kConfig, from, to));
    const auto result = bethany_command({"model", "show", path});
    INFO(result.err);
    CHECK(result.exit_code == 3);
    CHECK(result.out.empty());
    CHECK(contains(result.err, part));
  };
  refuse("\"intermediate_size\": 14336,", "", "config.json:1: /: missing key 'intermediate_size'");
  refuse("\"mixtral\"", "\"llama\"", "config.json:3: /model_type: unknown model type 'llama'");
  refuse("\"vocab_size\"", "\"num_experts\": 4, \"vocab_size\"",
         "config.json:8: /num_experts: 4 contradicts num_local_experts 8");
  CHECK(bethany_command({"model", "show", directory.path() + "/none.json"}).exit_code == 3);
  const auto shared = bethany_command({"model", "show", "gpt-l", "--tensor-parallel", "2"});
  CHECK(shared.exit_code == 3);
  CHECK(contains(shared.err, "--tensor-parallel 2 does not divide the 1 GPUs"));
}

TEST_CASE("a scenario trains a model from a configuration beside it") {
  const TemporaryDirectory directory;
  directory.write("config.json", kConfig);
  const auto scenario = directory.write("scenario.json", R"({
    "bethany_scenario": 1, "model": {"config": "config.json"}, "trace": "none",
    "training": {"until": {"time": "600s"}, "tensor_parallel": 8},
    "cluster": {"nodes": 8, "node_type": "h200-8x400g"}
  })");
  const auto result = bethany_command({"replay", scenario, "--format", "json"});
  INFO(result.err);
  CHECK(result.exit_code == 0);
  CHECK(contains(result.out, R"("feasible": true)"));
}

TEST_CASE("profile show prints every constant with its source") {
  const auto table = bethany_command({"profile", "show", "rtx3090-100g"});
  CHECK(table.exit_code == 0);
  CHECK(contains(table.out, "rtx3090-100g (assumed, sha256 "));
  CHECK(contains(table.out, "3.55e+13  FLOP/s  fitted"));
  CHECK(contains(table.out, "Lazarus, arXiv 2407.04656"));
  std::size_t widest = 0;
  for (std::size_t from = 0; from < table.out.size();) {
    const auto end = table.out.find('\n', from);
    widest = std::max(widest, end - from);
    from = end + 1;
  }
  CHECK(widest < 150);
  const auto csv = bethany_command({"profile", "show", "rtx3090-100g", "--format", "csv"});
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 30);  // 29 constants and the title
  CHECK(contains(csv.out, "picked within 0.30-0.55 for the published Lazarus results"));
}

TEST_CASE("the JSON of profile show is a profile") {
  const TemporaryDirectory directory;
  for (const char* name : {"rtx3090-100g", "a10g-10g", "h200-8x400g", "data-sheet"}) {
    INFO(name);
    const auto shown = bethany_command({"profile", "show", name, "--format", "json"});
    REQUIRE(shown.exit_code == 0);
    const auto path = directory.write("profile.json", shown.out);
    const auto again = bethany_command({"profile", "show", path, "--format", "json"});
    CHECK(again.out == shown.out);
    const auto scenario = directory.write("scenario.json", R"({
      "bethany_scenario": 1, "model": "gpt-s", "trace": "none",
      "training": {"until": {"time": "60s"}}, "cluster": {"nodes": 4},
      "cost": {"profile": "profile.json"}
    })");
    CHECK(bethany_command({"check", scenario}).exit_code == 0);
  }
  const auto wrong = bethany_command({"profile", "show", "rtx3090"});
  CHECK(wrong.exit_code == 3);
  CHECK(contains(wrong.err, "unknown profile 'rtx3090'"));
}

TEST_CASE("a constant that a profile lacks is shown as missing") {
  const TemporaryDirectory directory;
  const auto path = directory.write("mine.json", R"({"bethany_profile": 1, "name": "mine",
    "kind": "measured", "constants": {"detection": {"value": 2.5, "unit": "s",
    "source": "three losses", "kind": "measured"}}})");
  const auto shown = bethany_command({"profile", "show", path, "--format", "csv"});
  CHECK(shown.exit_code == 0);
  CHECK(contains(shown.out, "detection,2.5,s,measured,three losses\n"));
  CHECK(contains(shown.out, "planning,,s,missing,"));
}

}  // namespace
}  // namespace bethany::test
