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

/// Settings under which a cluster of `nodes` has so many machines more that step in.
std::vector<std::string> settings_of(int nodes, int spares, bool cold) {
  std::vector<std::string> sets = {fmt::format("cluster.nodes={}", nodes),
                                   fmt::format("trace.nodes={}", nodes + spares),
                                   "trace.cap.rule=hot-surplus"};
  if (!cold) sets.emplace_back("cluster.startup_delay=0s");
  return sets;
}

/// Throws InputError unless machines can be added to the trace.
void check_trace(const JsonNode& tree, const Setup& setup, bool cold) {
  const auto* trace = setup.effective.find("trace");
  const bool drawn = trace != nullptr && trace->kind == JsonNode::Kind::object &&
                     trace->find("generator") != nullptr && trace->find("nodes") != nullptr;
  if (!drawn) {
    const auto* given = tree.find("trace");
    throw InputError(fmt::format(
        "{}: /trace: plan spares adds machines, and only a generator with 'nodes' has more to "
        "give (poisson, failures, llama3, rsc1, …); a recorded trace has not",
        given == nullptr ? "scenario" : given->place()));
  }
  if (cold && setup.scenario.cluster.startup_delay == Duration(0)) {
    throw InputError("--cold: cluster.startup_delay is 0s; it says how long a cold spare takes");
  }
}

/// Tokens for an hour of every machine reserved, spares too.
double tokens_per_machine_hour(const Evaluated& evaluated, int machines) {
  double tokens = 0;
  double hours = 0;
  for (const auto& run : evaluated.runs) {
    tokens += static_cast<double>(run.summary.tokens());
    hours += to_seconds(run.summary.horizon) / 3600 * machines;
  }
  return hours > 0 ? tokens / hours : 0;
}

std::optional<double> usd_per_million_tokens(const Evaluated& evaluated, int machines) {
  const auto& price = evaluated.runs.front().summary.usd_per_node_hour;
  const double tokens = tokens_per_machine_hour(evaluated, machines);
  if (!price || tokens <= 0) return {};
  return *price / tokens * 1e6;
}

struct Row {
  int spares = 0;
  int machines = 0;
  const Evaluated* run = nullptr;
  std::optional<PairedRatio> to_one_less;
};

JsonNode row_json(const Row& row) {
  JsonNode node;
  node.member("spares") = JsonNode::of(std::int64_t{row.spares});
  node.member("machines") = JsonNode::of(std::int64_t{row.machines});
  node.member("goodput_tokens_per_s") = goodput_json(*row.run);
  node.member("ratio_to_one_less") = ratio_json(row.to_one_less);
  const bool runs = row.run->feasible;
  node.member("tokens_per_machine_hour") =
      runs ? JsonNode::of(tokens_per_machine_hour(*row.run, row.machines)) : JsonNode{};
  node.member("usd_per_million_tokens") =
      number_or_null(runs ? usd_per_million_tokens(*row.run, row.machines) : std::nullopt);
  node.member("stalled_share") = runs ? JsonNode::of(static_cast<double>(row.run->stalled) /
                                                     static_cast<double>(row.run->runs.size()))
                                      : JsonNode{};
  return node;
}

void add_to(Table& table, const Row& row, bool best) {
  const auto title = fmt::format("{}", row.spares);
  if (!row.run->feasible) {
    table.add_note(title, "no run: " + row.run->reason);
    return;
  }
  const auto price = usd_per_million_tokens(*row.run, row.machines);
  table.add(
      {title, fmt::format("{}", row.machines), goodput_text(*row.run),
       row.spares == 0 ? "" : ratio_text(row.to_one_less),
       rounded(tokens_per_machine_hour(*row.run, row.machines)), price ? rounded(price) : "UNKNOWN",
       fmt::format("{}/{}", row.run->stalled, row.run->runs.size())},
      best ? Emphasis::best : Emphasis::none);
}

std::vector<Row> rows_of(Evaluator& evaluator, const std::string& policy, int nodes,
                         const PlanOptions& options) {
  std::vector<Variant> variants;
  for (int spares = 0; spares <= options.most; ++spares) {
    variants.push_back({policy, settings_of(nodes, spares, options.cold)});
  }
  const auto runs = evaluator.evaluate(variants);
  require_a_run(runs);
  std::vector<Row> rows;
  for (int spares = 0; spares <= options.most; ++spares) {
    const auto* run = runs[static_cast<std::size_t>(spares)];
    Row row{spares, nodes + spares, run, {}};
    if (spares > 0) row.to_one_less = paired_ratio(*run, *rows.back().run);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The row with most tokens a machine-hour.
const Row& best_value(const std::vector<Row>& rows) {
  const Row* best = nullptr;
  double most = -1;
  for (const auto& row : rows) {
    if (!row.run->feasible) continue;
    const double value = tokens_per_machine_hour(*row.run, row.machines);
    if (value > most) {
      best = &row;
      most = value;
    }
  }
  return *best;
}

Chart figure_of(const std::vector<Row>& rows, const std::string& policy) {
  std::vector<LinePoint> points;
  for (const auto& row : rows) {
    if (!row.run->feasible) continue;
    const auto spread = spread_of(row.run->goodputs());
    points.push_back({static_cast<double>(row.spares), spread.mean, spread.interval});
  }
  auto chart = line_chart("plan-spares", "Goodput of " + policy + " by spares",
                          {.title = "machines beyond the cluster's"},
                          {.title = "goodput, tokens/s"}, points);
  chart.caption = "Mean goodput over the replications with the 95 % interval of each mean.";
  return chart;
}

}  // namespace

PlanAnswer plan_spares(const JsonNode& tree, const PlanOptions& options) {
  const auto policy = one_policy(tree, options);
  const auto setup = make_setup(tree);
  check_trace(tree, setup, options.cold);
  const int nodes = setup.scenario.cluster.nodes;
  Evaluator evaluator(tree, options.replications, options.threads);
  const auto rows = rows_of(evaluator, policy, nodes, options);
  std::vector<const Evaluated*> runs;
  for (const auto& row : rows) runs.push_back(row.run);
  const Row& best = best_value(rows);
  PlanAnswer answer{.question = "spares",
                    .json = plan_head("spares", {policy}, evaluator, runs),
                    .table = Table({{"spares"},
                                    {"machines"},
                                    {"tokens/s [95 %]"},
                                    {"vs one less [95 %]"},
                                    {"tokens/machine-h"},
                                    {"USD/Mtoken"},
                                    {"stalled"}}),
                    .text = {},
                    .figure = figure_of(rows, policy)};
  std::vector<JsonNode> nodes_of_rows;
  for (const auto& row : rows) {
    nodes_of_rows.push_back(row_json(row));
    add_to(answer.table, row, &row == &best);
  }
  const char* const kind = options.cold ? "cold" : "hot";
  answer.text.push_back(fmt::format(
      "{}: {} {} spare{} give most tokens for a machine-hour ({}), all {} machines counted as "
      "reserved for the whole run.",
      policy, best.spares, kind, best.spares == 1 ? "" : "s",
      rounded(tokens_per_machine_hour(*best.run, best.machines)), best.machines));
  answer.text.push_back(options.cold
                            ? fmt::format("A spare is ready {} after a loss.",
                                          rounded_text(setup.scenario.cluster.startup_delay))
                            : "A spare is ready the instant a member is lost.");
  answer.text.emplace_back(
      "stalled: replications in which the job had to wait for nodes after it had begun.");
  answer.figure->alternative = answer.text.front();
  JsonNode result;
  result.member("spares") = JsonNode::of(std::int64_t{best.spares});
  result.member("kind") = JsonNode::of(kind);
  result.member("tokens_per_machine_hour") =
      JsonNode::of(tokens_per_machine_hour(*best.run, best.machines));
  finish_json(answer, std::move(nodes_of_rows), std::move(result));
  return answer;
}

}  // namespace bethany
