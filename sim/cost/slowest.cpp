#include "sim/cost/slowest.h"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <functional>
#include <numbers>

#include "sim/base/check.h"

namespace bethany {
namespace {

double extreme(std::int64_t n) {
  if (n == 1) return 0;
  const double below = std::pow(0.5264, 1 / static_cast<double>(n));
  return -std::numbers::sqrt2 * boost::math::erfc_inv(2 * below);
}

}  // namespace

double expected_extreme(std::int64_t n) {
  BETHANY_CHECK(n > 0, "the largest of {} values", n);
  static const auto table = [] {
    std::array<double, 1025> made{};
    for (std::size_t i = 1; i < made.size(); ++i) made[i] = extreme(static_cast<std::int64_t>(i));
    return made;
  }();
  const auto at = static_cast<std::size_t>(n);
  return at < table.size() ? table[at] : extreme(n);
}

double expected_slowest(std::vector<double>& seconds, double spread) {
  if (seconds.empty()) return 0;
  if (spread == 0) return *std::max_element(seconds.begin(), seconds.end());
  std::sort(seconds.begin(), seconds.end(), std::greater<>());
  double most = 0;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    const auto longer = static_cast<std::int64_t>(i + 1);
    most = std::max(most, seconds[i] * (1 + spread * expected_extreme(longer)));
  }
  return most;
}

}  // namespace bethany
