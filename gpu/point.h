#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/cost/operation.h"

namespace bethany {

/// One question to a device: an operation at one size. Plain and flat: a row of the raw CSV.
struct Point {
  Operation operation = Operation::matmul;
  std::string shape = "-";    // what the sizes stand for: a model, or "-"
  std::string variant = "-";  // see Operation
  std::string skew = "-";     // how rows fall to experts: expert_rows()
  int inputs = 0;             // matrix width in; hidden size of an expert
  int outputs = 0;            // matrix width out; inner size of an expert
  bool gated = false;         // SwiGLU (three matrices) instead of GELU (two)
  int experts = 0;
  std::int64_t rows = 0;
  std::int64_t size = 0;

  friend bool operator==(const Point&, const Point&) = default;
};

/// "matmul gpt 4096x1024 forward rows=128 …": names a point in messages and orders points.
std::string describe(const Point& point);

/// The series a point belongs to: all of it but the sizes that vary along a fitted curve.
std::string series_of(const Point& point);

/// The rows each expert gets: `uniform` (largest remainder), `zipf` (exponent 1), `empty` (a
/// quarter of the experts gets none, the rest even), `odd` (even, but no count is a multiple of 8).
/// They sum to point.rows exactly. Requires: experts > 0. Throws InputError on an unknown skew.
std::vector<std::int64_t> expert_rows(const Point& point);

/// Its sizes, and how many experts get rows.
OperationSize point_size(const Point& point);
/// What the point must do.
Work point_work(const Point& point);

/// The operations a moe_layer consists of, as points of their own. Requires: its shape is of the
/// zoo.
std::vector<Point> layer_parts(const Point& layer);

}  // namespace bethany
