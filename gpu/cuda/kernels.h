#pragma once

// The project's own kernels: what no library has. Plain functions, so that only the .cu files need
// nvcc. All are asynchronous on `stream`; rows have a width that is a multiple of 8 elements.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "gpu/cuda/device.h"

namespace bethany::cuda {

/// About normal, mean 0, standard deviation `scale`; another seed, another sequence.
void fill_random(cudaStream_t stream, Element element, void* out, std::int64_t count,
                 std::uint64_t seed, float scale);
void convert(cudaStream_t stream, Element element, const float* in, void* out, std::int64_t count);
void convert_back(cudaStream_t stream, Element element, const void* in, float* out,
                  std::int64_t count);

/// out[i] = in[order[i] / top_k] · (weights ? weights[order[i]] : 1), for `rows` rows; zeros where
/// order[i] is negative.
void row_gather(cudaStream_t stream, Element element, const void* in, const int* order,
                const float* weights, int top_k, std::int64_t rows, int width, void* out);

/// out[t] = Σ over j < top_k, in that order, of in[position[t·top_k + j]] · (weights ? … : 1).
void row_scatter_sum(cudaStream_t stream, Element element, const void* in, const int* position,
                     const float* weights, int top_k, std::int64_t tokens, int width, void* out);

/// out[p] = Σ over columns of a[p / top_k] · b[position[p]]: gradients of the gate's weights.
void row_dot(cudaStream_t stream, Element element, const void* a, const void* b,
             const int* position, int top_k, std::int64_t pairs, int width, float* out);

/// GELU (tanh form): inner is rows × width. SwiGLU (gated): inner is rows × 2·width, gate then up.
void activation_forward(cudaStream_t stream, Element element, bool gated, const void* inner,
                        std::int64_t rows, int width, void* out);
/// inner_gradient from the gradient of the activation; it may not be `inner` itself.
void activation_backward(cudaStream_t stream, Element element, bool gated, const void* inner,
                         const void* out_gradient, std::int64_t rows, int width,
                         void* inner_gradient);

struct AdamArguments {
  float rate;
  float beta1;
  float beta2;
  float epsilon;
  float bias1;  // 1 / (1 - beta1^step)
  float bias2;  // 1 / (1 - beta2^step)
};
/// One step; the gradient is read and cleared, the weight written: the master rounded to the
/// element. For fp32 the master is the weight, and `weight` may be null. Requires: count is a
/// multiple of 4.
void adam(cudaStream_t stream, Element element, float* master, float* momentum, float* variance,
          void* gradient, void* weight, std::int64_t count, const AdamArguments& arguments);

constexpr int kSlicesMax = 16;
struct Slices {
  const float* at[kSlicesMax];
};
/// out = Σ of the slices, in order. Requires: count is a multiple of 4, slices <= kSlicesMax.
void slice_sum(cudaStream_t stream, const Slices& slices, int slice_count, std::int64_t count,
               float* out);

/// Softmax of each row of logits and its top_k largest, largest first, ties to the lower id: ids as
/// sort keys, and probabilities. Requires: experts <= 256, top_k <= 16.
void gate_top_k(cudaStream_t stream, const float* logits, std::int64_t rows, int experts, int top_k,
                std::uint16_t* ids, float* probabilities);

void empty_kernel(cudaStream_t stream);

/// Spins for about 0.1 ms and answers the clock rate of a multiprocessor in Hz. `scratch`: 16 bytes
/// on the device. Waits for the stream.
double measure_clock(cudaStream_t stream, unsigned long long* scratch);

}  // namespace bethany::cuda
