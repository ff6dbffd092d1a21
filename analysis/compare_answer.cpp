#include "analysis/compare_answer.h"

#include <fmt/format.h>

#include "analysis/metric.h"

namespace bethany {
namespace {

JsonNode interval_answer(const std::optional<Interval>& interval) {
  JsonNode answer;
  answer.member("low") = interval ? number_or_null(interval->low) : JsonNode{};
  answer.member("high") = interval ? number_or_null(interval->high) : JsonNode{};
  return answer;
}

JsonNode spread_answer(const std::optional<Spread>& spread) {
  if (!spread) return {};
  JsonNode answer;
  answer.member("mean") = number_or_null(spread->mean);
  auto interval = interval_answer(spread->interval);
  answer.members.splice(answer.members.end(), interval.members);
  answer.member("p10") = number_or_null(spread->p10);
  answer.member("p50") = number_or_null(spread->p50);
  answer.member("p90") = number_or_null(spread->p90);
  return answer;
}

JsonNode policy_answer(const Replications& replications, const RunSummary& run, std::size_t place) {
  JsonNode answer;
  answer.member("policy") = JsonNode::of(run.policy);
  answer.member("bound") = JsonNode::of(run.is_bound);
  answer.member("feasible") = JsonNode::of(run.feasible);
  answer.member("reason") = run.feasible ? JsonNode{} : JsonNode::of(run.reason);
  answer.member("replications") = JsonNode::of(static_cast<std::int64_t>(replications.count()));
  JsonNode& metrics_of_it = answer.member("metrics");
  for (const auto& entry : metrics().entries()) {
    metrics_of_it.member(entry.name) =
        run.feasible ? spread_answer(metric_spread(replications, place, entry.name)) : JsonNode{};
  }
  return answer;
}

JsonNode texts(const std::vector<std::string>& values) {
  std::vector<JsonNode> items;
  for (const auto& value : values) items.push_back(JsonNode::of(value));
  return JsonNode::array_of(std::move(items));
}

}  // namespace

JsonNode comparison_answer(const Comparison& comparison) {
  JsonNode answer;
  answer.member("policy") = JsonNode::of(comparison.policy);
  answer.member("baseline") = JsonNode::of(comparison.baseline);
  answer.member("goodput_ratio") = number_or_null(comparison.goodput_ratio);
  auto interval = interval_answer(comparison.interval);
  answer.members.splice(answer.members.end(), interval.members);
  answer.member("replications") = JsonNode::of(comparison.replications);
  answer.member("method") = JsonNode::of(comparison.method);
  answer.member("verdict") =
      comparison.verdict ? JsonNode::of(std::string(name_of(*comparison.verdict))) : JsonNode{};
  const bool paired = comparison.difference_tokens_per_s.has_value();
  JsonNode& difference = answer.member("difference_tokens_per_s");
  difference.member("mean") = number_or_null(comparison.difference_tokens_per_s);
  auto of_it = interval_answer(comparison.difference_interval);
  difference.members.splice(difference.members.end(), of_it.members);
  answer.member("bootstrap") = interval_answer(comparison.bootstrap);
  answer.member("wins") = paired ? JsonNode::of(comparison.wins) : JsonNode{};
  answer.member("p10_ratio") = number_or_null(comparison.p10_ratio);
  return answer;
}

std::vector<std::string> comparison_notes(const Replications& replications) {
  if (replications.count() == 1) return {};
  std::vector<std::string> notes = {fmt::format("{} replications: {}, the same for every policy.",
                                                replications.count(), replications.drawn)};
  if (!replications.scope.empty()) notes.push_back(replications.scope);
  return notes;
}

JsonNode compare_answer(const Replications& replications, std::span<const Comparison> comparisons) {
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/compare/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  std::vector<JsonNode> items;
  for (const auto& runs : replications.runs) {
    for (const auto& run : runs) items.push_back(replay_answer(run));
  }
  answer.member("runs") = JsonNode::array_of(std::move(items));
  items.clear();
  const auto pool = pooled_runs(replications);
  for (std::size_t place = 0; place < pool.size(); ++place) {
    items.push_back(policy_answer(replications, pool[place], place));
  }
  answer.member("policies") = JsonNode::array_of(std::move(items));
  items.clear();
  for (const auto& comparison : comparisons) items.push_back(comparison_answer(comparison));
  answer.member("comparison") = JsonNode::array_of(std::move(items));
  const auto ranking = ranking_of(replications);
  answer.member("ranking").member("mean") = texts(ranking.by_mean);
  answer.member("ranking").member("p10") = texts(ranking.by_p10);
  answer.member("ranking").member("first_to_second") =
      ranking.first_to_second ? comparison_answer(*ranking.first_to_second) : JsonNode{};
  answer.member("notes") = texts(comparison_notes(replications));
  return answer;
}

}  // namespace bethany
