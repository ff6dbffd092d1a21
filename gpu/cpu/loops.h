#pragma once

// The CPU's operations that no BLAS has, as plain loops: what Compute says of each of them.

#include <cstdint>
#include <span>

#include "gpu/compute.h"

namespace bethany::cpu {

/// The integer of -3..3 that equals `value`, an integer, mod 7.
inline float folded(float value) {
  int rest = static_cast<int>(value) % 7;
  if (rest > 3) rest -= 7;
  if (rest < -3) rest += 7;
  return static_cast<float>(rest);
}

void gather(const float* in, const int* order, const float* weights, int top_k, std::int64_t rows,
            int width, float* out);
void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                 std::int64_t tokens, int width, float* out);
void row_dot(const float* a, const float* b, const int* position, int top_k, std::int64_t pairs,
             int width, float* out);

void activation_forward(const ActivationShape& shape, const float* inner, float* out);
void activation_backward(const ActivationShape& shape, const float* inner,
                         const float* out_gradient, float* inner_gradient);

void gate_choose(const GateShape& shape, const float* logits, int* ids);
void gate_weigh(const GateShape& shape, const float* logits, const int* ids, float* probabilities,
                float* weights);
void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                   const float* weight_gradient, float* logit_gradient);

void causal_forward(const CausalShape& shape, float* scores);
void causal_backward(const CausalShape& shape, const float* probabilities, float* gradient);

void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                  float* inverse);
void norm_backward(const NormShape& shape, const float* x, const float* gain, const float* inverse,
                   const float* out_gradient, float* x_gradient, float* gain_gradient);

void adam(const OptimizerArrays& arrays, std::int64_t count, const AdamArguments& arguments);
void exact_update(const OptimizerArrays& arrays, std::int64_t count);

}  // namespace bethany::cpu
