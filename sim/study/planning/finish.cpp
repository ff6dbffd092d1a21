#include <fmt/format.h>

#include <algorithm>

#include "analysis/answers.h"
#include "analysis/metric.h"
#include "analysis/number_text.h"
#include "sim/base/error.h"
#include "sim/base/quantities.h"
#include "sim/study/planning/answer_parts.h"
#include "sim/study/setup.h"

namespace bethany {
namespace {

constexpr double kShares[] = {0.1, 0.5, 0.9};
constexpr const char* kNames[] = {"P10", "P50", "P90"};

struct Finish {
  std::vector<double> seconds;             // sorted
  std::optional<std::vector<double>> usd;  // sorted; empty without prices
};

Finish finish_of(const Evaluated& evaluated) {
  Finish finish;
  std::vector<double> usd;
  for (const auto& run : evaluated.runs) {
    finish.seconds.push_back(to_seconds(run.summary.horizon));
    if (const auto cost = metric_value("cost_usd", run.summary)) usd.push_back(*cost);
  }
  std::sort(finish.seconds.begin(), finish.seconds.end());
  std::sort(usd.begin(), usd.end());
  if (usd.size() == finish.seconds.size()) finish.usd = std::move(usd);
  return finish;
}

std::string days(double seconds) { return rounded_text(round_to_duration(seconds)); }

/// How the run ends: after the tokens, on a trace that begins again as often as it takes.
std::vector<std::string> settings_of(const JsonNode& tree, std::int64_t tokens) {
  std::vector<std::string> sets = {fmt::format(R"(training.until={{"tokens": {}}})", tokens)};
  const auto* trace = tree.find("trace");
  const bool none = trace != nullptr && trace->kind == JsonNode::Kind::string;
  if (!none) sets.emplace_back("trace.at_end=repeat");
  return sets;
}

/// The distribution as steps from 0 to 1.
Chart figure_of(const std::string& policy, const Finish& finish) {
  Chart chart;
  chart.id = "plan-finish";
  chart.title = "When " + policy + " is done";
  chart.x = {.title = "time since the start, h", .from_zero = false};
  chart.y = {.title = "share of replications done"};
  chart.caption = "Share of the replications that have trained the tokens by then.";
  ChartData data;
  data.columns = {{"time_h", "time, h"}, {"share", "share of replications"}};
  const auto n = static_cast<double>(finish.seconds.size());
  data.rows.push_back({finish.seconds.front() / 3600, 0.0});
  for (std::size_t i = 0; i < finish.seconds.size(); ++i) {
    data.rows.push_back({finish.seconds[i] / 3600, static_cast<double>(i + 1) / n});
  }
  chart.data.push_back(std::move(data));
  chart.layers.push_back({.mark = Mark::steps, .data = 0, .x = "time_h", .y = "share"});
  return chart;
}

}  // namespace

PlanAnswer plan_finish(const JsonNode& tree, const PlanOptions& options) {
  const auto policy = one_policy(tree, options);
  Evaluator evaluator(tree, options.replications, options.threads);
  const auto& run = evaluator.evaluate(Variant{policy, settings_of(tree, options.tokens)});
  require_a_run({&run});
  const auto finish = finish_of(run);
  PlanAnswer answer{.question = "finish",
                    .json = plan_head("finish", {policy}, evaluator, {&run}),
                    .table = Table({{"", Align::left}, {"done after"}, {"hours"}, {"USD"}}),
                    .text = {},
                    .figure = figure_of(policy, finish)};
  std::vector<JsonNode> rows;
  JsonNode result;
  result.member("tokens") = JsonNode::of(options.tokens);
  for (std::size_t i = 0; i < std::size(kShares); ++i) {
    const double seconds = quantile_sorted(finish.seconds, kShares[i]);
    std::optional<double> usd;
    if (finish.usd) usd = quantile_sorted(*finish.usd, kShares[i]);
    answer.table.add(
        {kNames[i], days(seconds), rounded(seconds / 3600), usd ? rounded(usd) : "UNKNOWN"});
    JsonNode row;
    row.member("share") = JsonNode::of(kShares[i]);
    row.member("finish_s") = JsonNode::of(seconds);
    row.member("cost_usd") = number_or_null(usd);
    rows.push_back(row);
    result.member(kNames[i]) = std::move(row);
  }
  answer.text.push_back(
      fmt::format("{}: {} tokens are trained after {} in the median; nine of ten replications are "
                  "done after {}.",
                  policy, grouped(options.tokens), days(quantile_sorted(finish.seconds, 0.5)),
                  days(quantile_sorted(finish.seconds, 0.9))));
  answer.text.push_back(finish.usd ? "The bill is node hours by the price of the node type; no "
                                     "storage, no egress."
                                   : "The bill is UNKNOWN: the node type has no price "
                                     "(usd_per_hour of cluster.node_type).");
  answer.text.emplace_back("A trace that is over begins again.");
  answer.figure->alternative = answer.text.front();
  finish_json(answer, std::move(rows), std::move(result));
  return answer;
}

}  // namespace bethany
