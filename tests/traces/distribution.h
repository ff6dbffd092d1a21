#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace bethany::test {

/// Whether values may come from a continuous distribution: Kolmogorov–Smirnov, which turns down one
/// true distribution in a thousand.
inline bool ks_fits(std::vector<double> values, const std::function<double(double)>& cdf) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = cdf(values[i]);
    distance = std::max(distance, std::abs(expected - static_cast<double>(i) / n));
    distance = std::max(distance, std::abs(expected - static_cast<double>(i + 1) / n));
  }
  return distance < 1.95 / std::sqrt(n);
}

/// Pearson's statistic of counts against expected shares.
inline double chi_square(const std::vector<double>& counts, const std::vector<double>& weights) {
  double total = 0;
  double weight = 0;
  for (const double count : counts) total += count;
  for (const double w : weights) weight += w;
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * weights[i] / weight;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

/// Whether a Poisson count fits its mean: 3.29 standard deviations, one false alarm in a thousand.
inline bool poisson_fits(double count, double mean) {
  return std::abs(count - mean) < 3.29 * std::sqrt(mean);
}

inline double normal_cdf(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

}  // namespace bethany::test
