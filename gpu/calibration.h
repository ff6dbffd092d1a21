#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpu/fit.h"
#include "gpu/protocol.h"
#include "sim/cost/profile.h"

namespace bethany {

/// The fit of one series of points (series_of()).
struct SeriesFit {
  std::string key;
  Operation operation = Operation::matmul;
  FittedCurve fit;
  double extent_min = 0;  // domain: rows, or size where the operation has no rows
  double extent_max = 0;
  double count_min = 0;  // and of Work::count
  double count_max = 0;
  std::vector<std::pair<double, double>>
      table;  // extent → s, monotone; empty where it names no point
  std::string note;
};

/// A whole layer beside the sum of the curves of its parts.
struct LayerCheck {
  Point point;
  double measured = 0;   // s
  double predicted = 0;  // s
};

/// Everything that follows from raw measurements without the device.
struct Calibration {
  std::vector<SeriesFit> fits;  // in key order
  Profile profile;
  std::vector<LayerCheck> layers;  // no fit has seen them
  double noise_floor = 0;  // median relative difference of the passes' medians; 0 with one pass
  std::size_t measured = 0;
};

/// Fits every series and derives the constants of a profile from them. `model`: a built-in model,
/// of whose shape alone points, fits and constants are taken; empty: all measured shapes together.
/// `draws`: of the bootstrap, for the intervals in `fits`. What needs a series that
/// lacks is left out. Throws InputError on a model whose shape was not measured.
Calibration calibrate(const Measurements& measurements, const std::string& name,
                      const std::string& model, int draws = 200);

/// The floor of a point at the measured ceilings: the larger of bytes / copy bandwidth and
/// flop / GEMM rate, in seconds. 0 when no ceiling was measured.
struct Ceilings {
  double flop_rate = 0;
  double bandwidth = 0;
  double seconds(const Point& point) const;
};
Ceilings ceilings_of(const Measurements& measurements);

/// One line a series: points, median time over floor, share of the ceiling, errors of the fit.
std::string calibration_table(const Measurements& measurements, const Calibration& calibration);

}  // namespace bethany
