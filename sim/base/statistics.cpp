#include "sim/base/statistics.h"

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The quantile of |t| with n - 1 degrees of freedom that `confidence` of its mass lies below.
double student_factor(std::size_t n, double confidence) {
  const boost::math::students_t_distribution<double> student(static_cast<double>(n) - 1);
  return boost::math::quantile(student, 1 - (1 - confidence) / 2);
}

/// Means and (co)variances, with n - 1, of pairs.
struct PairMoments {
  double mean_a = 0;
  double mean_b = 0;
  double aa = 0;
  double bb = 0;
  double ab = 0;

  double ratio() const { return mean_a / mean_b; }
  /// Standard error of ratio() by linearisation: that of a - ratio · b, by the mean of b.
  double ratio_error(std::size_t n) const {
    const double r = ratio();
    const double variance = std::max(0.0, aa - 2 * r * ab + r * r * bb);
    return std::sqrt(variance / static_cast<double>(n)) / std::abs(mean_b);
  }
};

/// Moments of the pairs at `picks`, or of all in order when it is empty.
PairMoments moments(std::span<const double> a, std::span<const double> b,
                    std::span<const std::size_t> picks = {}) {
  const std::size_t n = a.size();
  const auto at = [&](std::size_t i) { return picks.empty() ? i : picks[i]; };
  PairMoments result;
  for (std::size_t i = 0; i < n; ++i) {
    result.mean_a += a[at(i)];
    result.mean_b += b[at(i)];
  }
  result.mean_a /= static_cast<double>(n);
  result.mean_b /= static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double da = a[at(i)] - result.mean_a;
    const double db = b[at(i)] - result.mean_b;
    result.aa += da * da;
    result.bb += db * db;
    result.ab += da * db;
  }
  for (double* sum : {&result.aa, &result.bb, &result.ab}) *sum /= static_cast<double>(n - 1);
  return result;
}

}  // namespace

Interval clopper_pearson(std::int64_t successes, std::int64_t trials, double confidence) {
  BETHANY_CHECK(trials > 0 && successes >= 0 && successes <= trials, "{} of {}", successes, trials);
  const double tail = (1 - confidence) / 2;
  const auto hits = static_cast<double>(successes);
  const auto misses = static_cast<double>(trials - successes);
  Interval interval{0, 1};
  using Beta = boost::math::beta_distribution<double>;
  if (successes > 0) interval.low = boost::math::quantile(Beta(hits, misses + 1), tail);
  if (successes < trials) interval.high = boost::math::quantile(Beta(hits + 1, misses), 1 - tail);
  return interval;
}

double quantile_sorted(std::span<const double> sorted, double share) {
  BETHANY_CHECK(!sorted.empty() && share >= 0 && share <= 1, "quantile {} of {} values", share,
                sorted.size());
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double mean(std::span<const double> values) {
  BETHANY_CHECK(!values.empty(), "the mean of nothing");
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  BETHANY_CHECK(values.size() > 1, "the deviation of {} values", values.size());
  const double centre = mean(values);
  double sum = 0;
  for (const double v : values) sum += (v - centre) * (v - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

Interval mean_interval(std::span<const double> values, double confidence) {
  const double half = student_factor(values.size(), confidence) * standard_deviation(values) /
                      std::sqrt(static_cast<double>(values.size()));
  const double centre = mean(values);
  return {centre - half, centre + half};
}

std::optional<Interval> ratio_interval(std::span<const double> a, std::span<const double> b,
                                       double confidence) {
  BETHANY_CHECK(a.size() == b.size() && a.size() > 1, "{} and {} values", a.size(), b.size());
  const auto pairs = moments(a, b);
  const double t = student_factor(a.size(), confidence);
  const double weight = t * t / static_cast<double>(a.size());
  // The ratios r for which mean_a - r · mean_b is within t standard errors of 0: between the roots
  // of square · r² - 2 · linear · r + constant.
  const double square = pairs.mean_b * pairs.mean_b - weight * pairs.bb;
  if (!(square > 0)) return std::nullopt;
  const double linear = pairs.mean_a * pairs.mean_b - weight * pairs.ab;
  const double constant = pairs.mean_a * pairs.mean_a - weight * pairs.aa;
  const double root = std::sqrt(std::max(0.0, linear * linear - square * constant));
  return Interval{(linear - root) / square, (linear + root) / square};
}

std::optional<Interval> bootstrap_ratio_interval(std::span<const double> a,
                                                 std::span<const double> b, Rng& rng, int draws,
                                                 double confidence) {
  BETHANY_CHECK(a.size() == b.size() && draws > 0, "{} and {} values", a.size(), b.size());
  constexpr std::size_t kFewest = 5;
  const std::size_t n = a.size();
  if (n < kFewest) return std::nullopt;
  const auto pairs = moments(a, b);
  if (pairs.mean_b == 0) return std::nullopt;
  const double error = pairs.ratio_error(n);
  // Beside rounding every pair has the same ratio: so has every draw.
  if (error <= 1e-12 * std::abs(pairs.ratio())) return Interval{pairs.ratio(), pairs.ratio()};
  std::vector<double> scaled;
  std::vector<std::size_t> picks(n);
  for (int draw = 0; draw < draws; ++draw) {
    for (auto& pick : picks) pick = static_cast<std::size_t>(rng.below(n));
    const auto drawn = moments(a, b, picks);
    if (drawn.mean_b == 0) return std::nullopt;
    const double drawn_error = drawn.ratio_error(n);
    const double off = drawn.ratio() - pairs.ratio();
    // A draw of one pair only, n times over, has no error: it bounds nothing.
    if (drawn_error > 0) scaled.push_back(off / drawn_error);
  }
  if (scaled.empty()) return std::nullopt;
  std::sort(scaled.begin(), scaled.end());
  const double tail = (1 - confidence) / 2;
  return Interval{pairs.ratio() - quantile_sorted(scaled, 1 - tail) * error,
                  pairs.ratio() - quantile_sorted(scaled, tail) * error};
}

}  // namespace bethany
