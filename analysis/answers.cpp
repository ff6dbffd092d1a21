#include "analysis/answers.h"

#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "analysis/metric.h"

namespace bethany {
namespace {

/// The metrics that `replay` prints by name, in this order.
constexpr std::array<std::string_view, 5> kRates = {
    "goodput_tokens_per_s", "throughput_tokens_per_s", "step_throughput_tokens_per_s", "ettr",
    "productive_node_share"};

JsonNode text_or_null(const std::string& text) {
  return text.empty() ? JsonNode{} : JsonNode::of(text);
}

/// Seeds are unsigned; one that JSON readers would cut is written as text.
JsonNode seed_node(std::uint64_t seed) {
  if (seed > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return JsonNode::of(std::to_string(seed));
  }
  return JsonNode::of(static_cast<std::int64_t>(seed));
}

void add_context(const RunContext& context, JsonNode& answer) {
  answer.member("seed") = seed_node(context.seed);
  answer.member("replication") = JsonNode::of(context.replication);
  JsonNode& trace = answer.member("trace");
  trace.member("name") = JsonNode::of(context.trace.name);
  trace.member("sha256") = text_or_null(context.trace.sha256);
  trace.member("cap") = text_or_null(context.trace.cap);
  trace.member("statistics") = text_or_null(context.trace.statistics);
  JsonNode& profile = answer.member("profile");
  profile.member("name") = JsonNode::of(context.profile.name);
  profile.member("sha256") = text_or_null(context.profile.sha256);
  profile.member("kind") = JsonNode::of(context.profile.kind);
  answer.member("out_of_range_queries") = JsonNode::of(context.out_of_range_queries);
}

JsonNode recovery_answer(const RecoverySummary& recovery) {
  JsonNode answer;
  answer.member("disruptions") = JsonNode::of(recovery.disruptions);
  answer.member("in_place") = JsonNode::of(recovery.in_place);
  answer.member("regroup") = JsonNode::of(recovery.regroup);
  answer.member("restart") = JsonNode::of(recovery.restart);
  answer.member("none") = JsonNode::of(recovery.none);
  const auto interval = recovery.observed_interval();
  JsonNode& observed = answer.member("observed");
  observed.member("p") = number_or_null(recovery.observed());
  observed.member("low") = interval ? JsonNode::of(interval->low) : JsonNode{};
  observed.member("high") = interval ? JsonNode::of(interval->high) : JsonNode{};
  answer.member("predicted") = number_or_null(recovery.predicted);
  JsonNode& by_losses = answer.member("by_losses");
  if (recovery.by_losses) {
    std::vector<JsonNode> values;
    for (const double value : *recovery.by_losses) values.push_back(JsonNode::of(value));
    by_losses = JsonNode::array_of(std::move(values));
  }
  JsonNode& guaranteed = answer.member("guaranteed_losses_min");
  if (recovery.guaranteed_losses_min) {
    guaranteed = JsonNode::of(std::int64_t{*recovery.guaranteed_losses_min});
  }
  answer.member("note") = text_or_null(recovery.note);
  return answer;
}

template <std::size_t N>
JsonNode bucket_answer(const std::array<std::string_view, N>& names,
                       const std::array<Int128, N>& values) {
  JsonNode answer;
  for (std::size_t i = 0; i < N; ++i) answer.member(names[i]) = JsonNode::of(to_seconds(values[i]));
  return answer;
}

JsonNode ledger_answer(const Ledger& ledger) {
  JsonNode answer;
  answer.member("total") = JsonNode::of(to_seconds(ledger.total));
  answer.member("productive") = JsonNode::of(to_seconds(ledger.productive));
  answer.member("blocked") = bucket_answer(kBlockedNames, ledger.blocked);
  JsonNode& discarded = answer.member("discarded");
  discarded.member("rolled_back") = JsonNode::of(to_seconds(ledger.rolled_back));
  discarded.member("step_in_flight") = JsonNode::of(to_seconds(ledger.step_in_flight));
  answer.member("unavailable") = bucket_answer(kUnavailableNames, ledger.unavailable);
  return answer;
}

void add_results(const RunSummary& run, JsonNode& answer) {
  answer.member("horizon_s") = JsonNode::of(to_seconds(run.horizon));
  answer.member("samples") = JsonNode::of(run.samples);
  answer.member("tokens") = JsonNode::of(run.tokens());
  for (const auto name : kRates) answer.member(name) = number_or_null(metric_value(name, run));
  answer.member("steps_committed") = JsonNode::of(run.steps_committed);
  answer.member("steps_discarded") = JsonNode::of(run.steps_discarded);
  answer.member("recovery") = recovery_answer(run.recovery);
  answer.member("ledger_node_s") = ledger_answer(run.ledger);
  answer.member("cost_usd") = number_or_null(metric_value("cost_usd", run));
  answer.member("digest") = text_or_null(run.digest);
}

}  // namespace

void blank(JsonNode& node) {
  if (node.kind != JsonNode::Kind::object) {
    node = JsonNode{};
    return;
  }
  for (auto& member : node.members) blank(member.value);
}

JsonNode number_or_null(std::optional<double> value) {
  return value && std::isfinite(*value) ? JsonNode::of(*value) : JsonNode{};
}

JsonNode replay_answer(const RunResult& run) {
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/replay/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  add_context(run.context, answer);
  answer.member("policy") = JsonNode::of(run.summary.policy);
  answer.member("feasible") = JsonNode::of(run.summary.feasible);
  answer.member("reason") = text_or_null(run.summary.reason);
  JsonNode results;
  add_results(run.summary, results);
  if (!run.summary.feasible) blank(results);
  answer.members.splice(answer.members.end(), results.members);
  return answer;
}

}  // namespace bethany
