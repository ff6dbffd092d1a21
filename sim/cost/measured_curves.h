#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/json.h"
#include "sim/cost/operation.h"

namespace bethany {

/// How long one series of operations takes, as it was measured: an entry of a profile's `fits`.
struct MeasuredCurve {
  std::string key;  // "expert_forward/gpt/best"
  Operation operation = Operation::matmul;
  Curve curve;
  double extent_min = 0;  // what was measured: rows, or size where the operation has no rows
  double extent_max = 0;
  double count_min = 0;  // and the same of Work::count
  double count_max = std::numeric_limits<double>::infinity();
  std::vector<std::pair<double, double>> table;  // extent → s, never falling; may be empty

  bool covers(double extent, double count) const {
    return extent >= extent_min && extent <= extent_max && count >= count_min && count <= count_max;
  }
  /// Between the entries of the table linear, beyond them the curve, which there never undercuts
  /// (below: exceeds) the nearest entry: more work is never cheaper. Without a table the curve.
  double seconds(const Work& work, double extent) const;
};

/// Reads `fits` (sim/cost/README.md) at `path`; none when it is null. Throws InputError
/// "FILE:LINE: /path: …" on unknown keys and operations, a key given twice, rates that are not
/// above 0, times that are not finite, tables that fall.
std::vector<MeasuredCurve> read_curves(const JsonNode& fits, const std::string& path);

}  // namespace bethany
