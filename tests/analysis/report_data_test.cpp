#include "analysis/report/report_data.h"

#include <filesystem>

#include "analysis/metric.h"
#include "analysis/report/json_values.h"
#include "sim/base/error.h"
#include "tests/analysis/result_directory.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;
using namespace bethany::test;

namespace {

/// The complaint about a directory; "" when there is none.
std::string complaint(const ResultDirectory& directory) {
  try {
    read_report_data(directory.path());
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a replay is read as a comparison of one policy") {
  ResultDirectory directory;
  directory.write_replay(lazarus_run());
  const ReportData data = read_report_data(directory.path());
  REQUIRE(data.kept.size() == 1);
  CHECK(data.kept[0].policy == "lazarus");
  CHECK_FALSE(data.kept[0].is_bound);
  CHECK(data.manifest.kind == JsonNode::Kind::null);
  const auto& runs = data.comparison.find("runs")->items;
  REQUIRE(runs.size() == 1);
  CHECK(integer_at(runs[0], {"samples"}) == 199);
  CHECK(integer_at(runs[0], {"replication"}) == 0);
  const auto& policies = data.comparison.find("policies")->items;
  REQUIRE(policies.size() == 1);
  // Every metric, as the summary of the same facts has it.
  const auto summary = result_of(lazarus_run()).summary;
  for (const auto& name : metrics().names()) {
    INFO(name);
    CHECK(value_at(policies[0], {"metrics"})->find(name) != nullptr);
    CHECK(number_at(policies[0], {"metrics", name, "mean"}) == metric_value(name, summary));
    CHECK_FALSE(number_at(policies[0], {"metrics", name, "low"}).has_value());
  }
}

TEST_CASE("a comparison is read with its kept runs in the order of the policies") {
  ResultDirectory directory;
  directory.write_comparison({lazarus_run(), ds_run()});
  const ReportData data = read_report_data(directory.path());
  REQUIRE(data.kept.size() == 2);
  CHECK(data.kept[0].policy == "lazarus");
  CHECK(data.kept[1].policy == "ds");
  const auto& ranking = value_at(data.comparison, {"ranking", "mean"})->items;
  REQUIRE(ranking.size() == 2);
  CHECK(ranking[0].text == "lazarus");
  SummaryFold fold;
  read_kept(data.kept[1], fold);
  CHECK(fold.summary().samples == 152);
}

TEST_CASE("what a comparison says of its policies is kept as it stands") {
  ResultDirectory directory;
  directory.write_comparison({lazarus_run(), ds_run()});
  directory.change("comparison.json", "\"bound\": false", "\"bound\": true");
  const ReportData data = read_report_data(directory.path());
  CHECK(data.kept[0].is_bound);
  CHECK_FALSE(data.kept[1].is_bound);
}

TEST_CASE("a replication other than 0 may be the first") {
  ResultDirectory directory;
  directory.write_comparison({lazarus_run(), ds_run()});
  for (int policy = 0; policy < 2; ++policy) {
    directory.change("comparison.json", "\"replication\": 0", "\"replication\": 5");
  }
  CHECK(read_report_data(directory.path()).kept.size() == 2);
}

TEST_CASE("a directory that is none of ours is refused by name") {
  CHECK_THROWS_AS(read_report_data("/nowhere/at/all"), InputError);
  ResultDirectory directory;
  CHECK(has(complaint(directory),
            "has no comparison.json, summary.json, manifest.json or validation.json"));
  directory.write_comparison({lazarus_run(), ds_run()});
  CHECK(complaint(directory).empty());

  SECTION("unknown schema") {
    directory.change("comparison.json", "bethany/compare/1", "bethany/compare/9");
    CHECK(has(complaint(directory), "comparison.json:2: /schema: expected 'bethany/compare/1'"));
  }
  SECTION("missing record") {
    std::filesystem::remove(directory.file("01-ds/events.jsonl"));
    CHECK(has(complaint(directory), "01-ds/events.jsonl: missing"));
  }
  SECTION("missing directory of a run") {
    std::filesystem::remove_all(directory.file("01-ds"));
    CHECK(has(complaint(directory), "01-ds/summary.json"));
  }
  SECTION("the summary of another run") {
    directory.write("01-ds/summary.json", read_text(directory.file("00-lazarus/summary.json")));
    CHECK(has(complaint(directory), "/policy: 'lazarus' here, 'ds' at "));
  }
  SECTION("the record of another run") {
    directory.write("01-ds/events.jsonl", read_text(directory.file("00-lazarus/events.jsonl")));
    CHECK(has(complaint(directory), "comparison.json"));
    CHECK(has(complaint(directory), "01-ds/events.jsonl has 199"));
  }
  SECTION("missing key") {
    directory.change("comparison.json", "\"feasible\": true", "\"feasable\": true");
    CHECK(has(complaint(directory), "missing key 'feasible'"));
  }
  SECTION("a run without replication") {
    directory.change("comparison.json", "\"replication\": 0", "\"replicate\": 0");
    CHECK(has(complaint(directory), "missing key 'replication'"));
  }
  SECTION("a policy twice") {
    directory.change("comparison.json", "\"policy\": \"ds\"", "\"policy\": \"lazarus\"");
    CHECK(has(complaint(directory), "policy 'lazarus' stands twice"));
  }
  SECTION("a policy of no run") {
    directory.change("comparison.json", "\"policy\": \"ds\",\n      \"bound\"",
                     "\"policy\": \"dx\",\n      \"bound\"");
    CHECK(has(complaint(directory), "policy 'dx' stands twice or has no run"));
  }
  SECTION("no policies") {
    directory.change("comparison.json", "\"policies\"", "\"policy\"");
    CHECK(has(complaint(directory), "missing key 'policies'"));
  }
  SECTION("no scenario") {
    std::filesystem::remove(directory.file("scenario.json"));
    CHECK(has(complaint(directory), "scenario.json"));
  }
}

TEST_CASE("the record of another run is refused for a replay too") {
  ResultDirectory directory;
  directory.write_replay(lazarus_run());
  directory.change("summary.json", "\"replication\"", "\"replicate\"");
  CHECK(has(complaint(directory), "summary.json:1: missing key 'replication'"));
  directory.change("summary.json", "\"replicate\"", "\"replication\"");
  directory.change("summary.json", "\"digest\": \"", "\"digest\": \"x");
  CHECK(has(complaint(directory), "summary.json:1: digest x"));
}

TEST_CASE("a sweep is read with its manifest; a torn last line is none of its runs") {
  ResultDirectory directory;
  const std::string result = to_line(replay_answer(result_of(ds_run())));
  directory.write(
      "manifest.json",
      "{\"schema\": \"bethany/sweep-manifest/1\", \"runs\": 3, \"scenario\": {\"seed\": 7}}\n");
  const std::string first = R"({"run_id":"1","assignment":{"policy":"ds"},"replication":0,)";
  const std::string second = R"({"run_id":"2","assignment":{"policy":"x"},"replication":0,)";
  directory.write("runs.jsonl", first + "\"status\":\"ok\",\"result\":" + result + "}\n" + second +
                                    "\"status\":\"infeasible\",\"result\":null}\n{\"run_i");
  const ReportData data = read_report_data(directory.path());
  CHECK(data.comparison.kind == JsonNode::Kind::null);
  CHECK(integer_at(data.scenario, {"seed"}) == 7);
  REQUIRE(data.sweep_runs.size() == 2);
  CHECK(integer_at(data.sweep_runs[0], {"result", "samples"}) == 152);
  directory.change("manifest.json", "\"runs\": 3", "\"runs\": 1");
  CHECK(has(complaint(directory), "/runs: 1, but "));
  directory.change("manifest.json", "\"runs\": 1", "\"runs\": 3");

  directory.change("runs.jsonl", "infeasible", "unfeasible");
  CHECK(has(complaint(directory), "unknown status 'unfeasible'; did you mean 'infeasible'?"));
  directory.change("runs.jsonl", "unfeasible", "ok");
  CHECK(has(complaint(directory), "runs.jsonl:2"));
  directory.change("runs.jsonl", "\"run_id\":\"2\"", "\"run_id\":\"1\"");
  CHECK(has(complaint(directory), "run '1' stands twice"));
}
