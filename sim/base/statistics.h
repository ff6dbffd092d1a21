#pragma once

#include <cstdint>
#include <span>

namespace bethany {

/// A confidence interval.
struct Interval {
  double low = 0;
  double high = 0;
};

/// Clopper–Pearson: the exact two-sided interval for a probability after `successes` of `trials`.
/// Requires: 0 <= successes <= trials, trials > 0, confidence in (0, 1).
Interval clopper_pearson(std::int64_t successes, std::int64_t trials, double confidence = 0.95);

/// The quantile at `share` (0..1) of values sorted in ascending order, linear between ranks (R type
/// 7). Requires: not empty.
double quantile_sorted(std::span<const double> sorted, double share);

/// Requires: not empty.
double mean(std::span<const double> values);
/// With n-1. Requires: at least two.
double standard_deviation(std::span<const double> values);

/// Two-sided Student-t interval of the mean. Requires: at least two values.
Interval mean_interval(std::span<const double> values, double confidence = 0.95);

}  // namespace bethany
