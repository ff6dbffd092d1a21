#include "analysis/replications.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/metric.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::string_view kGoodput = "goodput_tokens_per_s";

/// Goodputs of the policy at `place` by replication; empty when it has no run in one of them.
std::vector<double> goodputs(const Replications& replications, std::size_t place) {
  std::vector<double> values;
  for (const auto& runs : replications.runs) {
    if (!runs[place].summary.feasible) return {};
    values.push_back(metric_value(kGoodput, runs[place].summary).value_or(0));
  }
  return values;
}

double p10_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile_sorted(values, 0.1);
}

std::size_t place_of(const Replications& replications, std::string_view policy) {
  const auto& runs = replications.runs.front();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].summary.policy == policy) return i;
  }
  BETHANY_CHECK(false, "no policy '{}'", policy);
  return 0;
}

/// Ratio, difference and their intervals; `comparison` names the two.
void add_statistics(const Replications& replications, const std::vector<double>& own,
                    const std::vector<double>& base, Rng rng, Comparison& comparison) {
  comparison.replications = static_cast<std::int64_t>(replications.count());
  comparison.method = "paired t";
  comparison.goodput_ratio = ratio(mean(own), mean(base));
  comparison.interval = ratio_interval(own, base);
  comparison.bootstrap = bootstrap_ratio_interval(own, base, rng);
  std::vector<double> differences;
  for (std::size_t i = 0; i < own.size(); ++i) {
    differences.push_back(own[i] - base[i]);
    comparison.wins += own[i] > base[i];
  }
  comparison.difference_tokens_per_s = mean(differences);
  comparison.difference_interval = mean_interval(differences);
  comparison.p10_ratio = ratio(p10_of(own), p10_of(base));
  if (!comparison.goodput_ratio) return;
  // Without an interval of the ratio (the baseline commits next to nothing) the difference decides.
  if (comparison.interval) {
    comparison.verdict = verdict_of(*comparison.interval);
  } else {
    const auto& interval = *comparison.difference_interval;
    comparison.verdict = verdict_of(Interval{1 + interval.low, 1 + interval.high});
  }
}

void add(Ledger& sum, const Ledger& part) {
  sum.total += part.total;
  sum.productive += part.productive;
  sum.rolled_back += part.rolled_back;
  sum.step_in_flight += part.step_in_flight;
  for (std::size_t i = 0; i < kBlockedCount; ++i) sum.blocked[i] += part.blocked[i];
  for (std::size_t i = 0; i < kUnavailableCount; ++i) sum.unavailable[i] += part.unavailable[i];
}

RecoverySummary pooled_recovery(std::span<const RunSummary> runs) {
  RecoverySummary sum;
  double predicted = 0;
  double trained = 0;
  std::array<double, kLossesShown> curve{};
  bool all_predicted = true;
  bool all_curves = true;
  sum.guaranteed_losses_min = runs.front().recovery.guaranteed_losses_min;
  for (const auto& run : runs) {
    const auto& part = run.recovery;
    sum.disruptions += part.disruptions;
    sum.in_place += part.in_place;
    sum.regroup += part.regroup;
    sum.restart += part.restart;
    sum.none += part.none;
    all_predicted = all_predicted && (part.predicted || part.decided() == 0);
    predicted += part.predicted.value_or(0) * static_cast<double>(part.decided());
    const double weight = to_seconds(run.kept_step_time + run.discarded_step_time);
    all_curves = all_curves && (part.by_losses || weight == 0);
    for (std::size_t k = 0; part.by_losses && k < curve.size(); ++k) {
      curve[k] += weight * (*part.by_losses)[k];
    }
    trained += weight;
    const auto& least = part.guaranteed_losses_min;
    if (!least || !sum.guaranteed_losses_min) {
      sum.guaranteed_losses_min.reset();
    } else {
      sum.guaranteed_losses_min = std::min(*sum.guaranteed_losses_min, *least);
    }
    if (part.note.size() > sum.note.size()) sum.note = part.note;  // the one that names a gap
  }
  if (all_predicted && sum.decided() > 0) {
    sum.predicted = predicted / static_cast<double>(sum.decided());
  }
  if (all_curves && trained > 0) {
    for (double& value : curve) value /= trained;
    sum.by_losses = curve;
  }
  return sum;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  Spread spread;
  spread.mean = mean(values);
  if (values.size() < 2) return spread;
  spread.interval = mean_interval(values);
  std::sort(values.begin(), values.end());
  spread.p10 = quantile_sorted(values, 0.1);
  spread.p50 = quantile_sorted(values, 0.5);
  spread.p90 = quantile_sorted(values, 0.9);
  return spread;
}

std::optional<Spread> metric_spread(const Replications& replications, std::size_t place,
                                    std::string_view metric) {
  std::vector<double> values;
  for (const auto& runs : replications.runs) {
    const auto value = metric_value(metric, runs[place].summary);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return spread_of(std::move(values));
}

RunSummary pooled(std::span<const RunSummary> runs) {
  BETHANY_CHECK(!runs.empty(), "a pool of nothing");
  if (runs.size() == 1) return runs.front();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].feasible) continue;
    auto none =
        infeasible_run(runs[i].policy, fmt::format("replication {}: {}", i, runs[i].reason));
    none.is_bound = runs[i].is_bound;
    return none;
  }
  RunSummary sum = runs.front();
  for (const auto& run : runs.subspan(1)) {
    sum.horizon += run.horizon;
    sum.samples += run.samples;
    sum.samples_discarded += run.samples_discarded;
    sum.steps_committed += run.steps_committed;
    sum.steps_discarded += run.steps_discarded;
    sum.kept_step_time += run.kept_step_time;
    sum.discarded_step_time += run.discarded_step_time;
    add(sum.ledger, run.ledger);
  }
  sum.recovery = pooled_recovery(runs);
  sum.digest.clear();
  return sum;
}

std::vector<RunSummary> pooled_runs(const Replications& replications) {
  std::vector<RunSummary> result;
  for (std::size_t place = 0; place < replications.runs.front().size(); ++place) {
    std::vector<RunSummary> own;
    for (const auto& runs : replications.runs) own.push_back(runs[place].summary);
    result.push_back(pooled(own));
  }
  return result;
}

std::vector<Comparison> compare_on_replications(const Replications& replications,
                                                std::string_view baseline) {
  const auto runs = pooled_runs(replications);
  auto comparisons = compare_on_one_trace(runs, baseline);
  if (replications.count() == 1) return comparisons;
  for (auto& comparison : comparisons) {
    const std::size_t place = place_of(replications, comparison.policy);
    const auto own = goodputs(replications, place);
    const auto base = goodputs(replications, place_of(replications, comparison.baseline));
    comparison.replications = static_cast<std::int64_t>(replications.count());
    comparison.method = "paired t";
    comparison.verdict.reset();
    if (own.empty() || base.empty()) continue;
    const auto seed = replications.runs.front().front().context.seed;
    const auto rng = RngStreams(seed, 0).stream("bootstrap", place);
    add_statistics(replications, own, base, rng, comparison);
  }
  return comparisons;
}

bool narrow_enough(const Replications& replications, std::span<const Comparison> comparisons,
                   double share) {
  const auto& first = replications.runs.front();
  return std::all_of(comparisons.begin(), comparisons.end(), [&](const Comparison& comparison) {
    if (first[place_of(replications, comparison.policy)].summary.is_bound) return true;
    if (!comparison.goodput_ratio || !comparison.interval) return !comparison.goodput_ratio;
    const double half = (comparison.interval->high - comparison.interval->low) / 2;
    return half <= share * *comparison.goodput_ratio;
  });
}

namespace {

/// One policy against another. Requires: both are there.
Comparison between(const Replications& replications, const std::string& policy,
                   const std::string& baseline) {
  for (auto& comparison : compare_on_replications(replications, baseline)) {
    if (comparison.policy == policy) return comparison;
  }
  return {};
}

}  // namespace

Ranking ranking_of(const Replications& replications) {
  struct Place {
    std::string policy;
    double mean = 0;
    double p10 = 0;
  };
  std::vector<Place> places;
  const auto& first = replications.runs.front();
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto own = goodputs(replications, i);
    if (own.empty() || first[i].summary.is_bound) continue;
    places.push_back({first[i].summary.policy, mean(own), p10_of(own)});
  }
  Ranking ranking;
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.mean > b.mean; });
  for (const auto& place : places) ranking.by_mean.push_back(place.policy);
  if (places.size() > 1)
    ranking.first_to_second = between(replications, places[0].policy, places[1].policy);
  if (replications.count() == 1) return ranking;
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.p10 > b.p10; });
  for (const auto& place : places) ranking.by_p10.push_back(place.policy);
  return ranking;
}

}  // namespace bethany
