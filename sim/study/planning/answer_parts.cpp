#include "sim/study/planning/answer_parts.h"

#include <fmt/format.h>

#include "analysis/answers.h"
#include "analysis/number_text.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

JsonNode interval_json(const char* value_key, double value,
                       const std::optional<Interval>& interval) {
  JsonNode node;
  node.member(value_key) = JsonNode::of(value);
  node.member("low") = interval ? number_or_null(interval->low) : JsonNode{};
  node.member("high") = interval ? number_or_null(interval->high) : JsonNode{};
  return node;
}

}  // namespace

JsonNode plan_head(const std::string& question, const std::vector<std::string>& policies,
                   const Evaluator& evaluator, const std::vector<const Evaluated*>& evaluated) {
  JsonNode head;
  head.member("schema") = JsonNode::of("bethany/plan/1");
  head.member("version") = JsonNode::of(BETHANY_VERSION);
  head.member("question") = JsonNode::of(question);
  for (const auto* each : evaluated) {
    if (!each->feasible) continue;
    const auto run = replay_answer(each->runs.front());
    for (const char* key : {"seed", "trace", "profile"}) head.member(key) = *run.find(key);
    break;
  }
  std::vector<JsonNode> names;
  for (const auto& policy : policies) names.push_back(JsonNode::of(policy));
  head.member("policies") = JsonNode::array_of(std::move(names));
  head.member("replications") = JsonNode::of(std::int64_t{evaluator.replications()});
  head.member("replays") = JsonNode::of(evaluator.replays());
  return head;
}

void finish_json(PlanAnswer& answer, std::vector<JsonNode> rows, JsonNode result) {
  answer.json.member("rows") = JsonNode::array_of(std::move(rows));
  answer.json.member("answer") = std::move(result);
  std::vector<JsonNode> lines;
  for (const auto& line : answer.text) lines.push_back(JsonNode::of(line));
  answer.json.member("text") = JsonNode::array_of(std::move(lines));
}

JsonNode goodput_json(const Evaluated& evaluated) {
  if (!evaluated.feasible) return {};
  const auto spread = spread_of(evaluated.goodputs());
  return interval_json("mean", spread.mean, spread.interval);
}

std::string goodput_text(const Evaluated& evaluated) {
  if (!evaluated.feasible) return "-";
  const auto spread = spread_of(evaluated.goodputs());
  if (!spread.interval) return rounded(spread.mean);
  return fmt::format("{} [{}, {}]", rounded(spread.mean), rounded(spread.interval->low),
                     rounded(spread.interval->high));
}

JsonNode ratio_json(const std::optional<PairedRatio>& ratio) {
  return ratio ? interval_json("ratio", ratio->ratio, ratio->interval) : JsonNode{};
}

std::string ratio_text(const std::optional<PairedRatio>& ratio) {
  if (!ratio) return "-";
  if (!ratio->interval) return fmt::format("{:.3f}", ratio->ratio);
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", ratio->ratio, ratio->interval->low,
                     ratio->interval->high);
}

std::string one_policy(const JsonNode& tree, const PlanOptions& options) {
  if (!options.policies.empty()) return options.policies.front();
  const auto* policies = tree.find("policies");
  const bool named = policies != nullptr && !policies->members.empty();
  return named ? policies->members.front().key : "lazarus";
}

std::string with_key(const std::string& policy, const std::string& key, const std::string& value) {
  return fmt::format("{}:{}={}", policy, key, value);
}

const Evaluated* best_of(const std::vector<const Evaluated*>& evaluated) {
  const Evaluated* best = nullptr;
  double most = -1;
  for (const auto* each : evaluated) {
    if (!each->feasible) continue;
    const double value = mean(each->goodputs());
    if (value > most) {
      best = each;
      most = value;
    }
  }
  return best;
}

void require_a_run(const std::vector<const Evaluated*>& evaluated) {
  if (best_of(evaluated) != nullptr) return;
  const auto& first = *evaluated.front();
  if (first.refused) throw InputError(first.reason);
  throw InfeasibleError(fmt::format("{}: {}", first.variant.policy, first.reason));
}

Chart line_chart(const std::string& id, const std::string& title, ChartAxis x, ChartAxis y,
                 const std::vector<LinePoint>& points) {
  Chart chart;
  chart.id = id;
  chart.title = title;
  chart.x = std::move(x);
  chart.y = std::move(y);
  ChartData data;
  data.columns = {
      {"x", chart.x.title}, {"mean", chart.y.title}, {"low", "95 % low"}, {"high", "95 % high"}};
  for (const auto& point : points) {
    const auto end = [](const std::optional<Interval>& interval, bool high) {
      if (!interval) return ChartCell{};
      return ChartCell{high ? interval->high : interval->low};
    };
    data.rows.push_back(
        {point.x, point.mean, end(point.interval, false), end(point.interval, true)});
  }
  chart.data.push_back(std::move(data));
  chart.layers.push_back(
      {.mark = Mark::interval, .data = 0, .x = "x", .y = "low", .y2 = "high", .faint = true});
  chart.layers.push_back({.mark = Mark::line, .data = 0, .x = "x", .y = "mean"});
  chart.layers.push_back({.mark = Mark::dot, .data = 0, .x = "x", .y = "mean"});
  return chart;
}

}  // namespace bethany
