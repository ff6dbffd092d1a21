#pragma once

// Kernels of Compute that work on floats alone: what it says of each operation, on `stream`. Sums
// have a fixed order (no atomics): equal inputs give equal bits.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "gpu/compute_shapes.h"

namespace bethany::cuda {

// Row by row, one warp a row (row_kernels.cu).

void gate_choose(cudaStream_t stream, const GateShape& shape, const float* logits, int* ids);
void gate_weigh(cudaStream_t stream, const GateShape& shape, const float* logits, const int* ids,
                float* probabilities, float* weights);
void gate_backward(cudaStream_t stream, const GateShape& shape, const int* ids,
                   const float* probabilities, const float* weight_gradient, float* logit_gradient);

void causal_forward(cudaStream_t stream, const CausalShape& shape, float* scores);
void causal_backward(cudaStream_t stream, const CausalShape& shape, const float* probabilities,
                     float* gradient);

void norm_forward(cudaStream_t stream, const NormShape& shape, const float* x, const float* gain,
                  float* out, float* inverse);
/// Row chunks whose share of the gain's gradient is summed apart, then together.
constexpr int kGainChunks = 64;
/// `partial`: room for kGainChunks × width floats.
void norm_backward(cudaStream_t stream, const NormShape& shape, const float* x, const float* gain,
                   const float* inverse, const float* out_gradient, float* x_gradient,
                   float* gain_gradient, float* partial);

// Element by element (element_kernels.cu).

void add(cudaStream_t stream, float* values, const float* other, std::int64_t count);
void fold(cudaStream_t stream, float* values, std::int64_t count);
constexpr std::size_t kAddendsMax = 128;
/// `out` may be one of the addends. Requires: 1 to kAddendsMax addends.
void sum_in_order(cudaStream_t stream, std::span<const float* const> addends, std::int64_t count,
                  float* out);
/// ReLU, or ReLU(gate) · up.
void exact_activation_forward(cudaStream_t stream, const ActivationShape& shape, const float* inner,
                              float* out);
void exact_activation_backward(cudaStream_t stream, const ActivationShape& shape,
                               const float* inner, const float* out_gradient,
                               float* inner_gradient);
constexpr int kSumBlocks = 256;
/// `sums`: room for kSumBlocks + 1 doubles; the result is the last of them.
void squared_distance(cudaStream_t stream, const float* values, const float* target,
                      std::int64_t count, float* gradient, double* sums);
void adam(cudaStream_t stream, const OptimizerArrays& arrays, std::int64_t count,
          const bethany::AdamArguments& arguments);
void exact_update(cudaStream_t stream, const OptimizerArrays& arrays, std::int64_t count);

}  // namespace bethany::cuda
