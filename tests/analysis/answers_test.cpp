#include "analysis/compare_answer.h"

#include <limits>

#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

RunContext context() {
  RunContext made;
  made.seed = 7;
  made.trace = {"p3.csv", "ab12", "members, random order, seed 7", "10 nodes, 79 loss instants"};
  made.profile = {"rtx3090-100g", "cd34", "assumed"};
  made.out_of_range_queries = 3;
  return made;
}

RunResult result_of(const std::vector<RunEvent>& events) {
  SummaryFold fold;
  feed(events, fold);
  return {fold.summary(), context()};
}

std::vector<std::string> keys_of(const JsonNode& node) {
  std::vector<std::string> keys;
  for (const auto& member : node.members) keys.push_back(member.key);
  return keys;
}

/// Names of all values, nested; arrays are one value.
void all_keys(const JsonNode& node, const std::string& name, std::vector<std::string>& keys) {
  if (node.kind != JsonNode::Kind::object) {
    keys.push_back(name);
    return;
  }
  for (const auto& member : node.members) all_keys(member.value, name + "/" + member.key, keys);
}

}  // namespace

TEST_CASE(
    "replay answers with schema, version, what it was made from, and the fields of DESIGN 7") {
  const JsonNode answer = replay_answer(result_of(lazarus_run()));
  CHECK(keys_of(answer) == std::vector<std::string>{"schema",
                                                    "version",
                                                    "seed",
                                                    "replication",
                                                    "trace",
                                                    "profile",
                                                    "out_of_range_queries",
                                                    "policy",
                                                    "feasible",
                                                    "reason",
                                                    "horizon_s",
                                                    "samples",
                                                    "tokens",
                                                    "goodput_tokens_per_s",
                                                    "throughput_tokens_per_s",
                                                    "step_throughput_tokens_per_s",
                                                    "ettr",
                                                    "productive_node_share",
                                                    "steps_committed",
                                                    "steps_discarded",
                                                    "recovery",
                                                    "ledger_node_s",
                                                    "cost_usd",
                                                    "digest"});
  CHECK(answer.find("schema")->text == "bethany/replay/1");
  CHECK(answer.find("version")->text == BETHANY_VERSION);
  CHECK(answer.find("seed")->integer == 7);
  CHECK(answer.find("trace")->find("name")->text == "p3.csv");
  CHECK(answer.find("trace")->find("sha256")->text == "ab12");
  CHECK(answer.find("trace")->find("cap")->text == "members, random order, seed 7");
  CHECK(answer.find("profile")->find("kind")->text == "assumed");
  CHECK(answer.find("out_of_range_queries")->integer == 3);
  CHECK(answer.find("feasible")->boolean);
  CHECK(answer.find("reason")->kind == JsonNode::Kind::null);
  CHECK(answer.find("horizon_s")->real == 100);
  CHECK(answer.find("tokens")->integer == 19'900);
  CHECK(answer.find("goodput_tokens_per_s")->real == Approx(199));
  CHECK(answer.find("cost_usd")->kind == JsonNode::Kind::null);
  CHECK(answer.find("digest")->text.size() == 16);
}

TEST_CASE("recovery and ledger have every key, and the ledger adds up") {
  const JsonNode answer = replay_answer(result_of(lazarus_run()));
  const JsonNode& recovery = *answer.find("recovery");
  CHECK(keys_of(recovery) == std::vector<std::string>{"disruptions", "in_place", "regroup",
                                                      "restart", "none", "observed", "predicted",
                                                      "by_losses", "guaranteed_losses_min",
                                                      "note"});
  CHECK(keys_of(*recovery.find("observed")) == std::vector<std::string>{"p", "low", "high"});
  CHECK(recovery.find("by_losses")->items.size() == 8);
  const JsonNode& ledger = *answer.find("ledger_node_s");
  CHECK(keys_of(ledger) ==
        std::vector<std::string>{"total", "productive", "blocked", "discarded", "unavailable"});
  CHECK(ledger.find("blocked")->members.size() == kBlockedCount);
  CHECK(ledger.find("unavailable")->members.size() == kUnavailableCount);
  double sum = ledger.find("productive")->real;
  for (const char* part : {"blocked", "discarded", "unavailable"}) {
    for (const auto& member : ledger.find(part)->members) sum += member.value.real;
  }
  CHECK(sum == ledger.find("total")->real);  // halves of seconds are exact
}

TEST_CASE("a policy without a run has the same keys and its reason") {
  const JsonNode answer = replay_answer({infeasible_run("ds", "4 nodes hold no group"), context()});
  std::vector<std::string> keys;
  std::vector<std::string> feasible_keys;
  all_keys(answer, "", keys);
  all_keys(replay_answer(result_of(lazarus_run())), "", feasible_keys);
  CHECK(keys == feasible_keys);
  CHECK_FALSE(answer.find("feasible")->boolean);
  CHECK(answer.find("reason")->text == "4 nodes hold no group");
  CHECK(answer.find("samples")->kind == JsonNode::Kind::null);
  CHECK(answer.find("digest")->kind == JsonNode::Kind::null);
}

TEST_CASE("what is not defined is null, never NaN") {
  const std::string text = to_text(replay_answer(result_of(empty_run())));
  CHECK(text.find("nan") == std::string::npos);
  CHECK(text.find("inf") == std::string::npos);
  CHECK(text.find("\"goodput_tokens_per_s\": null") != std::string::npos);
  CHECK(text.find("\"p\": null") != std::string::npos);
  CHECK(number_or_null(std::numeric_limits<double>::quiet_NaN()).kind == JsonNode::Kind::null);
  CHECK(number_or_null(std::numeric_limits<double>::infinity()).kind == JsonNode::Kind::null);
}

TEST_CASE("compare answers with whole replay objects and comparison rows") {
  const std::vector<RunResult> runs = {result_of(lazarus_run()), result_of(ds_run())};
  const std::vector<RunSummary> summaries = {runs[0].summary, runs[1].summary};
  Replications once;
  once.runs = {runs};
  const JsonNode answer = compare_answer(once, compare_on_one_trace(summaries));
  CHECK(keys_of(answer) == std::vector<std::string>{"schema", "version", "runs", "policies",
                                                    "comparison", "ranking", "notes"});
  CHECK(answer.find("schema")->text == "bethany/compare/1");
  REQUIRE(answer.find("runs")->items.size() == 2);
  CHECK(to_text(answer.find("runs")->items[1]) == to_text(replay_answer(runs[1])));
  REQUIRE(answer.find("comparison")->items.size() == 1);
  CHECK(to_line(answer.find("comparison")->items[0]) ==
        "{\"policy\":\"ds\",\"baseline\":\"lazarus\",\"goodput_ratio\":0.7638190954773869,"
        "\"low\":null,\"high\":null,\"replications\":1,\"method\":\"single trace\","
        "\"verdict\":\"single trace\","
        "\"difference_tokens_per_s\":{\"mean\":null,\"low\":null,\"high\":null},"
        "\"bootstrap\":{\"low\":null,\"high\":null},\"wins\":null,\"p10_ratio\":null}");
}

TEST_CASE("a comparison with an interval carries it") {
  Comparison comparison;
  comparison.policy = "a";
  comparison.baseline = "b";
  comparison.goodput_ratio = 1.5;
  comparison.interval = Interval{1.25, 1.75};
  comparison.replications = 20;
  comparison.method = "paired";
  comparison.verdict = Verdict::better;
  comparison.difference_tokens_per_s = 12;
  comparison.difference_interval = Interval{6, 18};
  comparison.bootstrap = Interval{1.2, 1.8};
  comparison.wins = 19;
  comparison.p10_ratio = 1.4;
  CHECK(to_line(comparison_answer(comparison)) ==
        "{\"policy\":\"a\",\"baseline\":\"b\",\"goodput_ratio\":1.5,\"low\":1.25,\"high\":1.75,"
        "\"replications\":20,\"method\":\"paired\",\"verdict\":\"better\","
        "\"difference_tokens_per_s\":{\"mean\":12.0,\"low\":6.0,\"high\":18.0},"
        "\"bootstrap\":{\"low\":1.2,\"high\":1.8},\"wins\":19,\"p10_ratio\":1.4}");
}

TEST_CASE("a seed that JSON readers would cut is written as text") {
  RunContext big = context();
  big.seed = std::numeric_limits<std::uint64_t>::max();
  const JsonNode answer = replay_answer({infeasible_run("a", "b"), big});
  CHECK(answer.find("seed")->text == "18446744073709551615");
}
