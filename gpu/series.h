#pragma once

#include <map>
#include <string>
#include <vector>

#include "gpu/calibration.h"

namespace bethany {

/// A point with the mean of its passes' medians.
struct Averaged {
  Point point;
  double seconds = 0;
};

/// The points with their passes averaged, in the order of describe(). Flagged points are left out
/// where the same point has another pass that is not flagged.
std::vector<Averaged> average_passes(const Measurements& measurements);

/// For every expert point the fastest variant, as a point of variant "best"; `wins` counts variants
/// by series.
std::vector<Averaged> best_variants(const std::vector<Averaged>& points,
                                    std::map<std::string, std::map<std::string, int>>& wins);

/// What a curve sees of a point.
FitPoint fit_point(const Averaged& averaged);

/// Fits one series. Requires: the points are of one series.
SeriesFit fit_series(const std::string& key, const std::vector<Averaged>& points,
                     std::uint64_t seed, int draws);

}  // namespace bethany
