#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/base/random.h"
#include "sim/placement/answer_fields.h"
#include "sim/placement/answers.h"
#include "sim/placement/recovery_conditions.h"
#include "sim/placement/recovery_sampling.h"

namespace bethany {
namespace {

RecoverResult exact_result(int failed, double probability, double loss) {
  RecoverResult result;
  result.failed = failed;
  result.probability = result.low = result.high = probability;
  result.loss = result.loss_low = result.loss_high = loss;
  result.method = "exact";
  return result;
}

RecoverResult sampled_result(int failed, const SampledLoss& sampled) {
  RecoverResult result;
  result.failed = failed;
  result.probability = 1 - sampled.loss;
  result.low = 1 - sampled.interval.high;
  result.high = 1 - sampled.interval.low;
  result.loss = sampled.loss;
  result.loss_low = sampled.interval.low;
  result.loss_high = sampled.interval.high;
  result.method = sampled.method;
  result.samples = sampled.samples;
  return result;
}

/// Finds the probabilities of one family of sets by the method that the request asks for.
class Finder {
 public:
  /// `what` names the random streams. Requires: sets as minimal_host_sets() gives them.
  Finder(const RecoverRequest& request, int nodes, std::vector<HostSet> sets, std::string what)
      : request_(request), nodes_(nodes), sets_(std::move(sets)), what_(std::move(what)) {}

  const std::vector<HostSet>& sets() const { return sets_; }

  /// By number of losses 0..wanted.size()-1; those not wanted are left out when they would have to
  /// be sampled. Empty when only exact would do and cannot be afforded.
  std::optional<std::vector<RecoverResult>> by_losses(const std::vector<bool>& wanted) const {
    const int k_max = static_cast<int>(wanted.size()) - 1;
    std::vector<RecoverResult> results;
    if (sets_.empty()) {
      for (int k = 0; k <= k_max; ++k) results.push_back(exact_result(k, 1, 0));
      return results;
    }
    const auto curve = affordable_curve(k_max);
    for (int k = 0; k <= k_max; ++k) {
      const auto i = static_cast<std::size_t>(k);
      if (curve && i < curve->probability.size()) {
        results.push_back(exact_result(k, curve->probability[i], curve->loss[i]));
      } else if (!wanted[i] || k < static_cast<int>(sets_.front().size())) {
        results.push_back(exact_result(k, 1, 0));
      } else if (request_.method == RecoverMethod::exact) {
        return std::nullopt;
      } else {
        const LossSampler sampler(nodes_, sets_);
        results.push_back(sampled_result(k, sampler.uniform(k, sampling(), stream(k))));
      }
    }
    return results;
  }

  std::optional<RecoverResult> by_rates() const {
    if (may_be_exact()) {
      if (const auto rated = rated_recovery(request_.rates, sets_, exactly())) {
        return exact_result(0, rated->probability, rated->loss);
      }
      if (request_.method == RecoverMethod::exact) return std::nullopt;
    }
    return sampled_result(0,
                          LossSampler(nodes_, sets_).rated(request_.rates, sampling(), stream(0)));
  }

  Infeasible unaffordable() const {
    const auto component = hardest_component(nodes_, sets_);
    return Infeasible{fmt::format(
        "the exact recovery probability is not affordable: {} host sets overlap and span {} nodes, "
        "up to 2^{:.0f} states; --method auto samples",
        component.sets, component.nodes, std::ceil(component.log2_states))};
  }

 private:
  ExactOptions exactly() const {
    return {.method = ExactMethod::automatic, .work = request_.exact_work};
  }

  bool may_be_exact() const {
    return request_.method == RecoverMethod::automatic || request_.method == RecoverMethod::exact;
  }

  /// For all losses asked for, or when that is too much for a half or a quarter of them.
  std::optional<RecoveryCurve> affordable_curve(int k_max) const {
    if (!may_be_exact()) return std::nullopt;
    if (auto curve = recovery_curve(nodes_, sets_, k_max, exactly())) return curve;
    const ExactOptions less{.method = ExactMethod::unions, .work = request_.exact_work / 4};
    for (const int fewer : {k_max / 2, k_max / 4}) {
      if (auto curve = recovery_curve(nodes_, sets_, fewer, less)) return curve;
    }
    return std::nullopt;
  }

  SamplingOptions sampling() const {
    SamplingOptions options;
    options.samples = request_.samples;
    if (request_.method == RecoverMethod::monte_carlo) options.method = SamplingMethod::plain;
    if (request_.method == RecoverMethod::importance_sampling) {
      options.method = SamplingMethod::importance;
    }
    return options;
  }

  Rng stream(int number) const {
    return RngStreams(request_.seed, 0)
        .stream("recover/" + what_, static_cast<std::uint64_t>(number));
  }

  const RecoverRequest& request_;
  int nodes_;
  std::vector<HostSet> sets_;
  std::string what_;
};

void add_importance(const RecoverRequest& request, const std::vector<HostSet>& sets,
                    std::vector<RecoverResult>& results) {
  if (!request.importance) return;
  const ExactOptions options{.method = ExactMethod::automatic, .work = request.exact_work};
  if (!request.rates.empty()) {
    if (auto importance = importance_by_rates(request.rates, sets, options)) {
      results.front().importance = std::move(*importance);
    }
    return;
  }
  const auto importance =
      importance_by_losses(request.plan.nodes, sets, request.failed_last, options);
  if (!importance) return;
  for (auto& result : results) {
    result.importance = (*importance)[static_cast<std::size_t>(result.failed)];
  }
}

/// The mean over the sizes. Its bounds are the means of the bounds: as the samples of the sizes are
/// independent, these are wider than an interval of the mean would be.
RecoverResult mean_over(const std::map<std::int64_t, std::int64_t>& sizes,
                        const std::vector<RecoverResult>& by_losses) {
  std::int64_t all = 0;
  for (const auto& [size, times] : sizes) all += times;
  RecoverResult mean;
  mean.method = "exact";
  for (const auto& [size, times] : sizes) {
    const double share = static_cast<double>(times) / static_cast<double>(all);
    const auto most = static_cast<std::int64_t>(by_losses.size()) - 1;
    const auto& of = by_losses[static_cast<std::size_t>(std::min(size, most))];
    mean.probability += share * of.probability;
    mean.low += share * of.low;
    mean.high += share * of.high;
    mean.loss += share * of.loss;
    mean.loss_low += share * of.loss_low;
    mean.loss_high += share * of.loss_high;
    if (of.method == "exact") continue;
    mean.method = of.method;
    mean.samples = mean.samples.value_or(0) + *of.samples;
  }
  return mean;
}

/// The numbers of losses whose probability is asked for, as flags.
std::vector<bool> wanted_losses(const RecoverRequest& request, bool bulks) {
  std::vector<bool> wanted(1);
  const auto want = [&](std::int64_t k) {
    const auto i = static_cast<std::size_t>(std::min<std::int64_t>(k, request.plan.nodes));
    if (i >= wanted.size()) wanted.resize(i + 1);
    wanted[i] = true;
  };
  if (request.rates.empty()) {
    for (int k = request.failed_first; k <= request.failed_last; ++k) want(k);
  }
  for (const auto& [size, times] : request.bulk_sizes) {
    if (bulks) want(size);
  }
  return wanted;
}

std::variant<RecoverCurve, Infeasible> curve_of(const RecoverRequest& request,
                                                const PlacementPlan& plan, const std::string& what,
                                                std::optional<RecoverResult>* bulk) {
  const Finder finder(request, plan.nodes, minimal_host_sets(plan), what);
  RecoverCurve curve;
  curve.witness.assign(finder.sets().front().begin(), finder.sets().front().end());
  curve.guaranteed_losses = static_cast<int>(curve.witness.size()) - 1;
  if (!request.rates.empty()) {
    const auto result = finder.by_rates();
    if (!result) return finder.unaffordable();
    curve.results.push_back(*result);
  }
  const bool bulks = bulk != nullptr && !request.bulk_sizes.empty();
  if (request.rates.empty() || bulks) {
    const auto results = finder.by_losses(wanted_losses(request, bulks));
    if (!results) return finder.unaffordable();
    if (bulks) *bulk = mean_over(request.bulk_sizes, *results);
    if (request.rates.empty()) {
      curve.results.assign(results->begin() + request.failed_first,
                           results->begin() + request.failed_last + 1);
    }
  }
  add_importance(request, finder.sets(), curve.results);
  return curve;
}

std::variant<DomainRecovery, Infeasible> domains_of(const RecoverRequest& request) {
  std::vector<std::int32_t> domain_of(static_cast<std::size_t>(request.plan.nodes), -1);
  const auto count = static_cast<int>(request.domains.size());
  for (int d = 0; d < count; ++d) {
    for (const std::int32_t node : nodes_of(request.domains[static_cast<std::size_t>(d)])) {
      domain_of[static_cast<std::size_t>(node)] = d;
    }
  }
  const Finder finder(request, count, sets_of_units(minimal_host_sets(request.plan), domain_of),
                      "domains");
  DomainRecovery answer;
  answer.guaranteed_losses = count;
  if (!finder.sets().empty()) {
    answer.guaranteed_losses = static_cast<int>(finder.sets().front().size()) - 1;
    for (const std::int32_t d : finder.sets().front()) {
      answer.witness.push_back(request.domains[static_cast<std::size_t>(d)].name);
    }
  }
  auto results = finder.by_losses(std::vector<bool>(static_cast<std::size_t>(count) + 1, true));
  if (!results) return finder.unaffordable();
  answer.results.assign(results->begin() + 1, results->end());
  return answer;
}

void check(const RecoverRequest& request) {
  checked_range("failed", request.failed_first, 0, request.plan.nodes);
  checked_range("failed", request.failed_last, request.failed_first, request.plan.nodes);
  checked_range("samples", request.samples, 1, 1'000'000'000);
  if (!request.rates.empty() &&
      request.rates.size() != static_cast<std::size_t>(request.plan.nodes)) {
    throw InputError(
        fmt::format("rates: {} for {} nodes", request.rates.size(), request.plan.nodes));
  }
  for (std::size_t n = 0; n < request.rates.size(); ++n) {
    if (!(request.rates[n] >= 0 && request.rates[n] <= 1)) {
      throw InputError(fmt::format("rates: {} of node {} is outside 0..1", request.rates[n], n));
    }
  }
  for (const auto& [size, times] : request.bulk_sizes) {
    checked_range("nodes lost at once", size, 0, INT64_MAX);
    checked_range("losses of a size", times, 1, std::int64_t{1} << 40);
  }
}

JsonNode numbers(const std::vector<int>& values) {
  std::vector<JsonNode> items;
  for (const int value : values) items.push_back(JsonNode::of(std::int64_t{value}));
  return JsonNode::array_of(std::move(items));
}

void add_result(JsonNode& node, const RecoverResult& result) {
  node.member("method") = JsonNode::of(result.method);
  node.member("low") = JsonNode::of(result.low);
  node.member("high") = JsonNode::of(result.high);
  node.member("samples") = result.samples ? JsonNode::of(*result.samples) : JsonNode();
  node.member("loss") = JsonNode::of(result.loss);
  node.member("loss_low") = JsonNode::of(result.loss_low);
  node.member("loss_high") = JsonNode::of(result.loss_high);
}

void add_curve(JsonNode& node, const RecoverRequest& request, const RecoverCurve& curve) {
  const auto& plan = request.plan;
  node.member("guaranteed_losses") = JsonNode::of(std::int64_t{curve.guaranteed_losses});
  node.member("witness") = numbers(curve.witness);
  std::vector<JsonNode> results;
  for (const auto& found : curve.results) {
    JsonNode result;
    if (request.rates.empty()) result.member("failed") = JsonNode::of(std::int64_t{found.failed});
    result.member("probability") = JsonNode::of(found.probability);
    if (request.rates.empty()) {
      const auto slots_left = std::int64_t{plan.nodes - found.failed} * plan.slots_per_node;
      result.member("capacity") = JsonNode::of(slots_left >= plan.experts);
    }
    add_result(result, found);
    if (request.importance) {
      std::vector<JsonNode> items;
      for (const double value : found.importance) items.push_back(JsonNode::of(value));
      result.member("importance") =
          found.importance.empty() ? JsonNode() : JsonNode::array_of(std::move(items));
    }
    results.push_back(std::move(result));
  }
  node.member("results") = JsonNode::array_of(std::move(results));
}

JsonNode domains_json(const DomainRecovery& domains) {
  JsonNode node;
  node.member("guaranteed_losses") = JsonNode::of(std::int64_t{domains.guaranteed_losses});
  std::vector<JsonNode> names;
  for (const auto& name : domains.witness) names.push_back(JsonNode::of(name));
  node.member("witness") = JsonNode::array_of(std::move(names));
  std::vector<JsonNode> results;
  for (const auto& found : domains.results) {
    JsonNode result;
    result.member("failed") = JsonNode::of(std::int64_t{found.failed});
    result.member("probability") = JsonNode::of(found.probability);
    add_result(result, found);
    results.push_back(std::move(result));
  }
  node.member("results") = JsonNode::array_of(std::move(results));
  return node;
}

}  // namespace

std::variant<RecoverAnswer, Infeasible> answer_recover(const RecoverRequest& request) {
  check(request);
  RecoverAnswer answer;
  answer.request = request;
  auto joint = curve_of(request, request.plan, "joint", &answer.bulk);
  if (auto* reason = std::get_if<Infeasible>(&joint)) return std::move(*reason);
  answer.joint = std::move(std::get<RecoverCurve>(joint));
  if (!request.domains.empty()) {
    auto domains = domains_of(request);
    if (auto* reason = std::get_if<Infeasible>(&domains)) {
      return Infeasible{"domains: " + reason->reason};
    }
    answer.domains = std::move(std::get<DomainRecovery>(domains));
  }
  if (!request.per_layer) return answer;
  PlacementPlan alone = request.plan;
  for (std::size_t layer = 0; layer < request.plan.layers.size(); ++layer) {
    alone.layers.assign(1, request.plan.layers[layer]);
    auto curve = curve_of(request, alone, fmt::format("layer {}", layer), nullptr);
    if (auto* reason = std::get_if<Infeasible>(&curve)) {
      return Infeasible{fmt::format("layer {}: {}", layer, reason->reason)};
    }
    answer.per_layer.push_back(std::move(std::get<RecoverCurve>(curve)));
  }
  return answer;
}

JsonNode recover_json(const RecoverAnswer& answer) {
  JsonNode node;
  begin_answer(node, "bethany/recover/1");
  add_curve(node, answer.request, answer.joint);
  if (answer.bulk) {
    node.member("bulk").member("probability") = JsonNode::of(answer.bulk->probability);
    add_result(node.member("bulk"), *answer.bulk);
  }
  if (answer.domains) node.member("domains") = domains_json(*answer.domains);
  if (answer.request.per_layer) {
    std::vector<JsonNode> layers;
    for (const auto& curve : answer.per_layer) {
      layers.emplace_back();
      add_curve(layers.back(), answer.request, curve);
    }
    node.member("layers") = JsonNode::array_of(std::move(layers));
  }
  return node;
}

}  // namespace bethany
