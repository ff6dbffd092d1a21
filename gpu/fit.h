#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/statistics.h"
#include "sim/cost/curve.h"

namespace bethany {

/// What a curve is fitted to: the work of one point and how long it took.
struct FitPoint {
  double count = 0;
  double bytes = 0;
  double flop = 0;
  double seconds = 0;

  operator Work() const { return {.count = count, .bytes = bytes, .flop = flop}; }
};

struct FittedCurve {
  Curve curve;
  Interval start;  // 95 %, bootstrap over the points
  Interval per_count;
  Interval bandwidth;
  Interval flop_rate;
  double mape_in = 0;       // mean absolute relative error on the points themselves
  double mape_holdout = 0;  // on every fifth point, fitted to the others; 0 below 8 points
  double p95 = 0;           // 95 % quantile of the absolute relative error
  double worst = 0;
  int points = 0;
};

/// Fits a curve in relative error and robustly: residuals are ratios (logarithms), weighed down by
/// Tukey's biweight beyond 4.7 scaled MADs; all constants stay above 0; terms that no point has
/// anything of are left out. Needs no start values. Of the forms `max` and `sum` the one with the
/// smaller mean error stays. A rate the points say nothing of is drawn, weakly, to the highest that
/// a point shows. Requires: not empty, all seconds above 0. Deterministic for equal points, seed
/// and draws.
FittedCurve fit_curve(const std::vector<FitPoint>& points, std::uint64_t seed, int draws = 200);

/// The closest non-decreasing sequence in squared logarithms (pool adjacent violators).
std::vector<double> monotone(const std::vector<double>& seconds);

}  // namespace bethany
