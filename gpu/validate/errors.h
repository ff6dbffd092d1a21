#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bethany {

/// A prediction and what was measured; seconds or bytes.
struct Pair {
  double predicted = 0;
  double measured = 0;
};

/// How far predictions are off, as shares of what was measured. No point is left out: those of
/// which nothing was measured have no relative error and are counted.
struct ErrorSummary {
  std::int64_t points = 0;      // with an error
  std::int64_t unmeasured = 0;  // predicted above 0, measured 0
  double bias = 0;              // median of predicted / measured - 1
  double median = 0;            // of its absolute value
  double p90 = 0;
  double worst = 0;
};

/// predicted / measured - 1. Requires: measured > 0.
double relative_error(const Pair& pair);

/// Empty when no pair has an error. Pairs of two zeros (nothing to do, nothing done) are no points.
std::optional<ErrorSummary> summarise(std::span<const Pair> pairs);

/// 1 - error / baseline: 1 is perfect, 0 no better than the baseline. Empty without a baseline's
/// error above 0.
std::optional<double> skill(double error, double baseline);

/// How many samples show a mean within 5 % at 95 % confidence, given the coefficient of variation
/// of a pilot: max(20, ⌈(1.96 · cv / 0.05)²⌉).
std::int64_t sample_size(double coefficient_of_variation);

/// Standard deviation / mean, of all but the stray values: 1.4826 times the median deviation from
/// the median, over the median. A machine that halts once in a while for a hundred steps' time says
/// nothing of how many steps show a median. Requires: at least two values, a median above 0.
double coefficient_of_variation(std::span<const double> values);

/// |a - b| / ((a + b) / 2). Requires: a + b > 0, none negative.
double relative_difference(double a, double b);

/// The share of a prediction's logarithmic error that a further measurement exceeds with at most
/// 2.5 % on either side, from errors log(measured / predicted) of other runs (split conformal; V.
/// Vovk et al., Algorithmic Learning in a Random World, 2005). Assumes exchangeable errors.
struct LogInterval {
  double low = 0;
  double high = 0;
};
/// Empty for fewer than 39 errors: they promise no 95 %.
std::optional<LogInterval> conformal_interval(std::vector<double> log_errors);

/// The same for an error of yet another case, where errors of one case resemble each other and so
/// are not exchangeable with its: the interval of all errors together, stretched from their median
/// so far (not below 1, at most 10 times) that equally stretched intervals of all cases but one
/// hold 95 % of the errors of that one, over all cases.
std::optional<LogInterval> interval_of_cases(const std::vector<std::vector<double>>& log_errors);

}  // namespace bethany
