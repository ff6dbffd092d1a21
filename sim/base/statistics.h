#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sim/base/random.h"

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

/// Two-sided interval of E[a] / E[b] from pairs, by Fieller's theorem: exact when the pairs are
/// bivariate normal, whatever their correlation (E. C. Fieller, J. R. Stat. Soc. B 16, 1954). Empty
/// when the mean of b cannot be told from 0: every ratio is then possible.
/// Requires: at least two pairs.
std::optional<Interval> ratio_interval(std::span<const double> a, std::span<const double> b,
                                       double confidence = 0.95);

/// The same by the studentised bootstrap (bootstrap-t): pairs are drawn with replacement and each
/// draw's ratio is scaled by its own linearised error, so that skewed pairs keep their coverage.
/// Empty when a mean of b is 0 or there are fewer than 5 pairs: too few different draws.
/// Requires: pairs.
std::optional<Interval> bootstrap_ratio_interval(std::span<const double> a,
                                                 std::span<const double> b, Rng& rng,
                                                 int draws = 2000, double confidence = 0.95);

}  // namespace bethany
