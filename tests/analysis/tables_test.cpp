#include "analysis/tables.h"

#include "analysis/compare_text.h"

#include <sstream>

#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

RunContext context() {
  RunContext made;
  made.seed = 1;
  made.trace = {"p3.csv", "0123456789abcdef", "members, random order, seed 1", "10 nodes"};
  made.profile = {"rtx3090-100g", "", "assumed"};
  return made;
}

RunResult result_of(const std::vector<RunEvent>& events, std::optional<double> price) {
  SummaryFold fold({.usd_per_node_hour = price, .recovery_cache = {}});
  feed(events, fold);
  return {fold.summary(), context()};
}

std::vector<RunResult> results(std::optional<double> price) {
  return {result_of(lazarus_run(), price),
          result_of(ds_run(), price),
          {infeasible_run("tutel", "4 nodes hold no group"), context()}};
}

std::vector<Comparison> comparisons_of(const std::vector<RunResult>& runs) {
  std::vector<RunSummary> summaries;
  for (const auto& run : runs) summaries.push_back(run.summary);
  return compare_on_one_trace(summaries, "ds");
}

Replications once(std::vector<RunResult> runs) {
  Replications replications;
  replications.runs = {std::move(runs)};
  return replications;
}

std::string first_lines(const std::string& text, int count) {
  std::istringstream in(text);
  std::string line;
  std::string result;
  while (count-- > 0 && std::getline(in, line)) result += line + "\n";
  return result;
}

}  // namespace

TEST_CASE("the table of compare is aligned, rounded, and shows infeasible policies") {
  const auto runs = results(std::nullopt);
  CHECK(to_text(compare_table(once(runs), comparisons_of(runs))) ==
        "policy   samples  tokens/s  vs ds    ETTR  in place  restarts  disruptions  "
        "  recovered [95 %]  predicted  blocked  discarded  unavailable\n"
        "lazarus      199       199  1.309  58.0 %         1         1            2  "
        "50.0 % [1.3, 98.7]     50.0 %   17.4 %      4.2 %       28.6 %\n"
        "ds           152       152      1  56.0 %         0         1            1  "
        "   0 % [0.0, 97.5]        0 %   20.8 %      5.8 %       35.5 %\n"
        "tutel    no run: 4 nodes hold no group\n");
}

TEST_CASE("cost columns are there only with prices") {
  const auto with = results(36);
  const auto without = results(std::nullopt);
  CHECK(to_text(compare_table(once(with), comparisons_of(with))).find("USD/Mtoken") !=
        std::string::npos);
  CHECK(to_text(compare_table(once(without), comparisons_of(without))).find("USD") ==
        std::string::npos);
}

TEST_CASE("below the table stand verdict, what predictions are given, trace, profile and seed") {
  const auto runs = results(std::nullopt);
  const std::string text = compare_text(once(runs), comparisons_of(runs), TableFormat::text, false);
  const auto notes = text.substr(text.find("\n\n") + 2);
  CHECK(notes ==
        "On this trace lazarus commits 1.3 times the tokens of ds; the difference is mostly nodes "
        "that fill no group. One trace: no interval.\n"
        "predicted (lazarus): given uniform victims\n"
        "predicted (ds): given uniform victims; 0 by construction: the policy can only restart\n"
        "trace: p3.csv (sha256 0123456789ab); cap: members, random order, seed 1; 10 nodes\n"
        "profile: rtx3090-100g (assumed)\n"
        "seed: 1\n");
}

TEST_CASE("questions outside the measured range are summed and told") {
  auto runs = results(std::nullopt);
  runs[0].context.out_of_range_queries = 1'000;
  runs[1].context.out_of_range_queries = 234;
  CHECK(compare_text(once(runs), comparisons_of(runs), TableFormat::text, false)
            .find("1,234 questions lay outside") != std::string::npos);
}

TEST_CASE("csv has exact numbers under the keys of the JSON, the same columns for every run") {
  const auto runs = results(36);
  const std::string csv = compare_text(once(runs), comparisons_of(runs), TableFormat::csv, false);
  std::istringstream lines(csv);
  std::string header;
  std::getline(lines, header);
  const auto commas = [](const std::string& text) {
    // No quoted cell of these lines is split: the cap rule is the only one with commas.
    return std::count(text.begin(), text.end(), ',');
  };
  std::string line;
  int rows = 0;
  while (std::getline(lines, line)) {
    CHECK(commas(line) == commas(header) + 2);
    ++rows;
  }
  CHECK(rows == 3);
  for (const char* column :
       {"policy", "goodput_tokens_per_s", "recovery.observed.p", "recovery.by_losses.8",
        "ledger_node_s.blocked.detection", "trace.sha256", "comparison.goodput_ratio"}) {
    INFO(column);
    CHECK(header.find(column) != std::string::npos);
  }
  CHECK(csv.find("0.8004866180048661") != std::string::npos);  // (27.5 + 41 · 2/3) / 68.5
  CHECK(csv.find("1.3092105263157894") != std::string::npos);  // 199 / 152
  // Columns do not depend on what ran.
  const std::string infeasible = compare_text(once({runs[2]}), {}, TableFormat::csv, false);
  CHECK(first_lines(infeasible, 1) == header + "\n");
  CHECK(first_lines(replay_text(runs[1], TableFormat::csv, false), 1) == header + "\n");
  CHECK(to_csv(runs_table({}, {})) == header + "\n");
}

TEST_CASE("the table of replay lists what the ledger holds and leaves out empty buckets") {
  const std::string text = replay_text(result_of(lazarus_run(), 36), TableFormat::text, false);
  CHECK(text.find(" 199  tokens/s\nthroughput ") != std::string::npos);
  CHECK(text.find("1 in place, 0 regrouped, 1 restarted, 0 undecided") != std::string::npos);
  CHECK(text.find("unavailable: waiting") != std::string::npos);
  CHECK(text.find("stranded") == std::string::npos);
  CHECK(text.find("P(recover | 3 or more lost)") != std::string::npos);
  CHECK(text.find("given uniform victims") != std::string::npos);
  CHECK(text.find("2.98  USD") != std::string::npos);
  CHECK(replay_text(result_of(lazarus_run(), {}), TableFormat::text, false).find("USD") ==
        std::string::npos);
}

TEST_CASE("the table of a policy without a run says why") {
  CHECK(first_lines(replay_text({infeasible_run("ds", "4 nodes hold no group"), context()},
                                TableFormat::text, false),
                    3) ==
        "quantity  value\n"
        "policy       ds\n"
        "no run    4 nodes hold no group\n");
}

TEST_CASE("markdown has the same rows, escaped") {
  auto runs = results(std::nullopt);
  runs[0].summary.policy = "a|b";
  const std::string text = compare_text(once(runs), comparisons_of(runs), TableFormat::md, false);
  CHECK(text.find("| a\\|b | 199 | 199 |") != std::string::npos);
  CHECK(text.find("\n\nOn this trace a\\|b commits") != std::string::npos);
}

TEST_CASE("names from files cannot steer the terminal") {
  auto runs = results(std::nullopt);
  runs[0].summary.policy = "a\x1b[2Jb";
  runs[0].context.trace.name = "t\x1b[2J";
  CHECK(compare_text(once(runs), comparisons_of(runs), TableFormat::text, false).find('\x1b') ==
        std::string::npos);
  CHECK(replay_text(runs[0], TableFormat::text, false).find('\x1b') == std::string::npos);
}

TEST_CASE("the table of metrics has a row for each, with unit and definition") {
  const std::string text = to_text(metrics_table());
  CHECK(text.find("goodput_tokens_per_s") != std::string::npos);
  CHECK(text.find("tokens/s") != std::string::npos);
}
