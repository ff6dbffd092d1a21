#include "sim/base/statistics.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "sim/base/check.h"

namespace bethany {

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
  const auto n = static_cast<double>(values.size());
  const boost::math::students_t_distribution<double> student(n - 1);
  const double factor = boost::math::quantile(student, 1 - (1 - confidence) / 2);
  const double half = factor * standard_deviation(values) / std::sqrt(n);
  const double centre = mean(values);
  return {centre - half, centre + half};
}

}  // namespace bethany
