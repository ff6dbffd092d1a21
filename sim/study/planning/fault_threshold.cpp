#include <fmt/format.h>

#include <algorithm>

#include "analysis/answers.h"
#include "analysis/number_text.h"
#include "sim/base/error.h"
#include "sim/model/routing_source.h"
#include "sim/study/planning/answer_parts.h"
#include "sim/study/setup.h"

namespace bethany {
namespace {

RunSummary all_of(const Evaluated& evaluated) {
  std::vector<RunSummary> runs;
  for (const auto& run : evaluated.runs) runs.push_back(run.summary);
  return pooled(runs);
}

/// The largest f that the slots allow: the floor of slots by experts (DESIGN §4.7).
int largest_threshold(const Setup& setup) {
  const auto& cluster = setup.scenario.cluster;
  const int slots = cluster.nodes * cluster.node_type.gpus * cluster.slots_per_gpu;
  return slots / routing_shape(setup.scenario.model).experts;
}

void add_row(int f, const Evaluated& each, const Evaluated& best, Table& table,
             std::vector<JsonNode>& rows) {
  JsonNode row;
  row.member("fault_threshold") = JsonNode::of(std::int64_t{f});
  row.member("goodput_tokens_per_s") = goodput_json(each);
  const auto ratio = paired_ratio(each, best);
  row.member("ratio_to_best") = ratio_json(ratio);
  if (!each.feasible) {
    for (const char* key : {"restarts", "observed", "predicted", "guaranteed_losses_min"}) {
      row.member(key) = {};
    }
    table.add_note(fmt::format("{}", f), "no run: " + each.reason);
    rows.push_back(std::move(row));
    return;
  }
  const auto run = all_of(each);
  row.member("restarts") = JsonNode::of(run.recovery.restart);
  row.member("observed") = number_or_null(run.recovery.observed());
  row.member("predicted") = number_or_null(run.recovery.predicted);
  const auto& least = run.recovery.guaranteed_losses_min;
  row.member("guaranteed_losses_min") = least ? JsonNode::of(std::int64_t{*least}) : JsonNode{};
  rows.push_back(std::move(row));
  table.add({fmt::format("{}", f), goodput_text(each), ratio_text(ratio),
             fmt::format("{:.1f}", static_cast<double>(run.recovery.restart) /
                                       static_cast<double>(each.runs.size())),
             percent(run.recovery.observed()), percent(run.recovery.predicted),
             least ? fmt::format("{}", *least) : "-"},
            &each == &best ? Emphasis::best : Emphasis::none);
}

}  // namespace

PlanAnswer plan_fault_threshold(const JsonNode& tree, const PlanOptions& options) {
  const auto policy = one_policy(tree, options);
  const auto setup = make_setup(tree);
  int most = largest_threshold(setup);
  if (options.most > 0) most = std::min(most, options.most);
  if (most < 1) throw InfeasibleError("the slots do not hold every expert once");
  Evaluator evaluator(tree, options.replications, options.threads);
  std::vector<Variant> variants;
  for (int f = 1; f <= most; ++f) {
    variants.push_back({with_key(policy, "fault_threshold", fmt::format("{}", f)), {}});
  }
  const auto runs = evaluator.evaluate(variants);
  require_a_run(runs);
  const auto* best = best_of(runs);
  PlanAnswer answer{.question = "f",
                    .json = plan_head("f", {policy}, evaluator, runs),
                    .table = Table({{"f"},
                                    {"tokens/s [95 %]"},
                                    {"vs best [95 %]"},
                                    {"restarts"},
                                    {"recovered"},
                                    {"predicted"},
                                    {"guaranteed losses"}}),
                    .text = {},
                    .figure = {}};
  std::vector<JsonNode> rows;
  std::vector<LinePoint> points;
  int best_f = 1;
  int f = 0;
  for (const auto* each : runs) {
    add_row(++f, *each, *best, answer.table, rows);
    if (each == best) best_f = f;
    if (!each->feasible) continue;
    const auto spread = spread_of(each->goodputs());
    points.push_back({static_cast<double>(f), spread.mean, spread.interval});
  }
  answer.text.push_back(
      fmt::format("{}: f = {} gives most, {} tokens/s; recovery is guaranteed while fewer than f "
                  "nodes are lost "
                  "at once, as far as the placement keeps that.",
                  policy, best_f, rounded(mean(best->goodputs()))));
  answer.figure = line_chart("plan-f", "Goodput by fault threshold of " + policy,
                             {.title = "fault threshold f", .from_zero = false},
                             {.title = "goodput, tokens/s"}, points);
  answer.figure->caption =
      "Mean goodput over the replications with the 95 % interval of each mean.";
  answer.figure->alternative = answer.text.front();
  JsonNode result;
  result.member("fault_threshold") = JsonNode::of(std::int64_t{best_f});
  result.member("goodput_tokens_per_s") = JsonNode::of(mean(best->goodputs()));
  finish_json(answer, std::move(rows), std::move(result));
  return answer;
}

}  // namespace bethany
