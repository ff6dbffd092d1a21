#pragma once

// What Compute's operations are told. Plain, so that .cu files can include it.

#include <cstdint>

namespace bethany {

/// What a product of row-major matrices looks like: c (rows × columns) = a · b, where a is
/// rows × inner, or inner × rows when transposed, and b inner × columns, or columns × inner.
struct ProductShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t inner = 0;
  bool a_transposed = false;
  bool b_transposed = false;
  bool accumulate = false;  // c += a · b
  /// Elements from one row to the next, as stored; 0: rows follow one another without a gap.
  std::int64_t a_stride = 0;
  std::int64_t b_stride = 0;
  std::int64_t c_stride = 0;
};

/// Several products of one shape: how many floats further the operands of the next one lie.
struct ProductBatch {
  std::int64_t count = 1;
  std::int64_t a_step = 0;
  std::int64_t b_step = 0;
  std::int64_t c_step = 0;
};

/// `exact`: floats hold small integers, so that sums are the same in any order; what is not linear
/// has another form there, and folds its results (gpu/layer/README.md).
enum class Arithmetic { real, exact };

struct GateShape {
  Arithmetic arithmetic = Arithmetic::real;
  std::int64_t tokens = 0;
  int experts = 0;
  int top_k = 1;
};

struct NormShape {
  Arithmetic arithmetic = Arithmetic::real;
  std::int64_t rows = 0;
  int width = 0;
};

struct ActivationShape {
  Arithmetic arithmetic = Arithmetic::real;
  bool gated = false;  // inner is rows × 2·width, gate then up; else rows × width
  std::int64_t rows = 0;
  int width = 0;
};

/// Causal attention of `matrices` = sequences · heads, each length × length.
struct CausalShape {
  Arithmetic arithmetic = Arithmetic::real;
  std::int64_t matrices = 0;
  int length = 0;
  float scale = 1;  // of the scores, before the softmax; not in exact arithmetic
};

struct AdamArguments {
  float rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float bias1 = 1;           // 1 / (1 - beta1^step)
  float bias2 = 1;           // 1 / (1 - beta2^step)
  float gradient_scale = 1;  // the gradient is multiplied by it first
};

/// The optimizer's arrays of equal length.
struct OptimizerArrays {
  float* weights = nullptr;
  float* momentum = nullptr;
  float* variance = nullptr;
  const float* gradient = nullptr;
};

}  // namespace bethany
