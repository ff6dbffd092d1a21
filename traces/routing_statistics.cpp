#include "traces/routing_statistics.h"

#include <algorithm>
#include <functional>
#include <set>

namespace bethany {
namespace {

constexpr std::int64_t kLags[] = {10, 50, 100, 200, 400};
constexpr std::size_t kMostOtherLags = 5;

constexpr double RoutingSkew::*kFields[] = {
    &RoutingSkew::skew, &RoutingSkew::balancedness, &RoutingSkew::top1,        &RoutingSkew::top4,
    &RoutingSkew::top8, &RoutingSkew::gini,         &RoutingSkew::idle_experts};

RoutingSkew skew_of(std::span<const std::int64_t> shares, std::vector<std::int64_t>& sorted) {
  sorted.assign(shares.begin(), shares.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto total = static_cast<double>(kLoadTotal);
  const auto experts = static_cast<double>(sorted.size());
  RoutingSkew result;
  double sum = 0;
  double ranked = 0;  // Σ rank · share, the hottest first
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double share = static_cast<double>(sorted[i]) / total;
    sum += share;
    ranked += static_cast<double>(i + 1) * share;
    if (i < 1) result.top1 = sum;
    if (i < 4) result.top4 = sum;
    if (i < 8) result.top8 = sum;
    if (sorted[i] == 0) ++result.idle_experts;
  }
  result.skew = result.top1 * experts;
  result.balancedness = 1 / result.skew;
  result.gini = (experts + 1 - 2 * ranked) / experts;
  return result;
}

void add(RoutingSkew& sum, const RoutingSkew& value) {
  for (const auto field : kFields) sum.*field += value.*field;
}

void divide(RoutingSkew& sum, std::size_t count) {
  for (const auto field : kFields) sum.*field /= static_cast<double>(count);
}

double distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return static_cast<double>(sum) / 2 / static_cast<double>(kLoadTotal);
}

/// Empty when no two entries are that far apart.
std::optional<RoutingDrift> drift_over(const RoutingLoad& load, std::int64_t lag) {
  const auto& entries = load.entries();
  RoutingDrift drift{.lag = lag,
                     .by_layer = std::vector<double>(static_cast<std::size_t>(load.layers()))};
  for (const auto& from : entries) {
    const auto& to = entries[load.entry_at(from.step + lag)];
    if (to.step != from.step + lag) continue;
    ++drift.pairs;
    for (int layer = 0; layer < load.layers(); ++layer) {
      drift.by_layer[static_cast<std::size_t>(layer)] +=
          distance(from.shares.row(layer), to.shares.row(layer));
    }
  }
  if (drift.pairs == 0) return std::nullopt;
  for (double& value : drift.by_layer) {
    value /= static_cast<double>(drift.pairs);
    drift.distance += value / static_cast<double>(load.layers());
  }
  return drift;
}

std::vector<RoutingDrift> drift_of(const RoutingLoad& load) {
  std::vector<RoutingDrift> result;
  for (const std::int64_t lag : kLags) {
    if (auto drift = drift_over(load, lag)) result.push_back(*std::move(drift));
  }
  if (!result.empty()) return result;
  std::set<std::int64_t> lags;
  for (std::size_t i = 1; i < load.entries().size(); ++i) {
    lags.insert(load.entries()[i].step - load.entries()[i - 1].step);
    if (lags.size() > kMostOtherLags) lags.erase(std::prev(lags.end()));
  }
  for (const std::int64_t lag : lags) result.push_back(drift_over(load, lag).value());
  return result;
}

void write(const RoutingSkew& skew, JsonNode& json) {
  json.member("skew") = JsonNode::of(skew.skew);
  json.member("balancedness") = JsonNode::of(skew.balancedness);
  json.member("top1") = JsonNode::of(skew.top1);
  json.member("top4") = JsonNode::of(skew.top4);
  json.member("top8") = JsonNode::of(skew.top8);
  json.member("gini") = JsonNode::of(skew.gini);
  json.member("idle_experts") = JsonNode::of(skew.idle_experts);
}

}  // namespace

RoutingStatistics statistics_of(const RoutingLoad& load) {
  const auto layers = static_cast<std::size_t>(load.layers());
  RoutingStatistics result;
  result.by_layer.resize(layers);
  std::vector<std::int64_t> sorted;
  for (const auto& entry : load.entries()) {
    RoutingSkew at_step;
    for (int layer = 0; layer < load.layers(); ++layer) {
      const auto skew = skew_of(entry.shares.row(layer), sorted);
      add(at_step, skew);
      add(result.by_layer[static_cast<std::size_t>(layer)], skew);
    }
    divide(at_step, layers);
    add(result.all, at_step);
    result.by_entry.push_back(at_step);
    result.steps.push_back(entry.step);
  }
  divide(result.all, load.entries().size());
  for (auto& layer : result.by_layer) divide(layer, load.entries().size());
  result.drift = drift_of(load);
  return result;
}

JsonNode to_json(const RoutingStatistics& statistics, const RoutingLoad& load, bool says_top_k) {
  JsonNode json;
  json.member("schema") = JsonNode::of("bethany/routing-stats/1");
  json.member("version") = JsonNode::of(BETHANY_VERSION);
  json.member("layers") = JsonNode::of(std::int64_t{load.layers()});
  json.member("experts") = JsonNode::of(std::int64_t{load.experts()});
  json.member("top_k") = says_top_k ? JsonNode::of(std::int64_t{load.top_k()}) : JsonNode();
  json.member("entries") = JsonNode::of(static_cast<std::int64_t>(load.entries().size()));
  json.member("first_step") = JsonNode::of(statistics.steps.front());
  json.member("last_step") = JsonNode::of(statistics.steps.back());
  write(statistics.all, json.member("all"));
  std::vector<JsonNode> layers(statistics.by_layer.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].member("layer") = JsonNode::of(static_cast<std::int64_t>(i));
    write(statistics.by_layer[i], layers[i]);
  }
  json.member("by_layer") = JsonNode::array_of(std::move(layers));
  std::vector<JsonNode> steps(statistics.by_entry.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i].member("step") = JsonNode::of(statistics.steps[i]);
    write(statistics.by_entry[i], steps[i]);
  }
  json.member("by_step") = JsonNode::array_of(std::move(steps));
  std::vector<JsonNode> drift;
  for (const auto& at : statistics.drift) {
    JsonNode item;
    item.member("lag") = JsonNode::of(at.lag);
    item.member("pairs") = JsonNode::of(at.pairs);
    item.member("distance") = JsonNode::of(at.distance);
    std::vector<JsonNode> values;
    for (const double value : at.by_layer) values.push_back(JsonNode::of(value));
    item.member("by_layer") = JsonNode::array_of(std::move(values));
    drift.push_back(std::move(item));
  }
  json.member("drift") = JsonNode::array_of(std::move(drift));
  return json;
}

}  // namespace bethany
