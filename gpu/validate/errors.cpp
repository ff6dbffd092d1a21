#include "gpu/validate/errors.h"

#include <algorithm>
#include <cmath>

#include "sim/base/check.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

constexpr double kNormal95 = 1.96;
constexpr double kWanted = 0.05;
constexpr std::int64_t kLeastSamples = 20;
constexpr double kTail = 0.025;

}  // namespace

double relative_error(const Pair& pair) {
  BETHANY_CHECK(pair.measured > 0, "an error relative to {}", pair.measured);
  return pair.predicted / pair.measured - 1;
}

std::optional<ErrorSummary> summarise(std::span<const Pair> pairs) {
  ErrorSummary summary;
  std::vector<double> errors;
  for (const auto& pair : pairs) {
    if (pair.measured > 0) {
      errors.push_back(relative_error(pair));
    } else if (pair.predicted > 0) {
      ++summary.unmeasured;
    }
  }
  if (errors.empty()) return {};
  summary.points = static_cast<std::int64_t>(errors.size());
  std::sort(errors.begin(), errors.end());
  summary.bias = quantile_sorted(errors, 0.5);
  for (auto& error : errors) error = std::abs(error);
  std::sort(errors.begin(), errors.end());
  summary.median = quantile_sorted(errors, 0.5);
  summary.p90 = quantile_sorted(errors, 0.9);
  summary.worst = errors.back();
  return summary;
}

std::optional<double> skill(double error, double baseline) {
  if (!(baseline > 0)) return {};
  return 1 - error / baseline;
}

std::int64_t sample_size(double variation) {
  const double wanted = std::ceil(std::pow(kNormal95 * variation / kWanted, 2));
  return std::max(kLeastSamples, static_cast<std::int64_t>(std::min(wanted, 1e9)));
}

double coefficient_of_variation(std::span<const double> values) {
  constexpr double kOfNormal = 1.4826;  // standard deviation / median deviation
  const auto median_of = [](std::vector<double> sorted) {
    std::sort(sorted.begin(), sorted.end());
    return quantile_sorted(sorted, 0.5);
  };
  const double middle = median_of({values.begin(), values.end()});
  BETHANY_CHECK(middle > 0, "a median of {}", middle);
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - middle));
  return kOfNormal * median_of(std::move(deviations)) / middle;
}

double relative_difference(double a, double b) {
  BETHANY_CHECK(a >= 0 && b >= 0 && a + b > 0, "a difference of {} and {}", a, b);
  return std::abs(a - b) / ((a + b) / 2);
}

std::optional<LogInterval> conformal_interval(std::vector<double> log_errors) {
  // The k-th smallest and largest of n: a further error lies beyond each with k / (n + 1).
  const auto n = static_cast<double>(log_errors.size());
  const auto k = static_cast<std::size_t>(kTail * (n + 1) + 1e-9);
  if (k == 0) return {};
  std::sort(log_errors.begin(), log_errors.end());
  return LogInterval{log_errors[k - 1], log_errors[log_errors.size() - k]};
}

std::optional<LogInterval> interval_of_cases(const std::vector<std::vector<double>>& log_errors) {
  constexpr double kMost = 10;
  const auto but = [&](std::size_t left_out) {
    std::vector<double> pooled;
    for (std::size_t one = 0; one < log_errors.size(); ++one) {
      if (one == left_out) continue;
      pooled.insert(pooled.end(), log_errors[one].begin(), log_errors[one].end());
    }
    std::sort(pooled.begin(), pooled.end());
    return pooled;
  };
  std::vector<double> stretches;  // that would just hold the error
  for (std::size_t one = 0; one < log_errors.size(); ++one) {
    const auto others = but(one);
    const auto interval = conformal_interval(others);
    if (!interval) continue;
    const double middle = quantile_sorted(others, 0.5);
    for (const double error : log_errors[one]) {
      const double reach = error > middle ? interval->high - middle : middle - interval->low;
      const double off = std::abs(error - middle);
      stretches.push_back(off == 0 ? 0 : off < kMost * reach ? off / reach : kMost);
    }
  }
  const auto all = but(log_errors.size());
  auto interval = conformal_interval(all);
  if (!interval || stretches.empty()) return interval;
  std::sort(stretches.begin(), stretches.end());
  const double stretch = std::max(1.0, quantile_sorted(stretches, 1 - kWanted));
  const double middle = quantile_sorted(all, 0.5);
  return LogInterval{middle + stretch * (interval->low - middle),
                     middle + stretch * (interval->high - middle)};
}

}  // namespace bethany
