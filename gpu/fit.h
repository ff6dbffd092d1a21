#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/statistics.h"

namespace bethany {

/// What a curve is fitted to: the work of one point and how long it took.
struct FitPoint {
  double count = 0;  // what `per_count` multiplies: active experts, kernels; may be 0
  double bytes = 0;
  double flop = 0;
  double seconds = 0;
};

/// t = start + per_count · count + max(bytes / bandwidth, flop / flop_rate). Terms that no point
/// has anything of are left out.
struct Curve {
  double start = 0;      // s
  double per_count = 0;  // s
  double bandwidth = 0;  // B/s; 0: the term is absent
  double flop_rate = 0;  // FLOP/s; 0: the term is absent
  bool sum = false;

  double seconds(const FitPoint& point) const;
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

/// Fits in relative error and robustly: residuals are ratios (logarithms), weighed down by Tukey's
/// biweight beyond 4.7 scaled MADs; all constants stay above 0. Needs no start values. Of the forms
/// `max` and `sum` the one with the smaller mean error stays. A rate the points say nothing of is
/// drawn, weakly, to the highest that a point shows.
/// Requires: not empty, all seconds above 0. Deterministic for equal points, seed and draws.
FittedCurve fit_curve(const std::vector<FitPoint>& points, std::uint64_t seed, int draws = 200);

/// The closest non-decreasing sequence in squared logarithms (pool adjacent violators).
std::vector<double> monotone(const std::vector<double>& seconds);

}  // namespace bethany
