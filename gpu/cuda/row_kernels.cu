#include <climits>

#include "gpu/cuda/launch.cuh"
#include "gpu/cuda/layer_kernels.h"

namespace bethany::cuda {
namespace {

constexpr float kNormEpsilon = 1e-6F;

/// NaN as the smallest: whatever the logits are, top_k different experts are found.
__device__ float comparable(float logit) { return isnan(logit) ? -INFINITY : logit; }

/// Whether (a, expert a) is chosen before (b, expert b).
__device__ bool before(float a, int a_expert, float b, int b_expert) {
  return a > b || (a == b && a_expert < b_expert);
}

/// Each round looks for the first of those that come after the last one chosen.
__global__ void choose_kernel(const float* logits, std::int64_t tokens, int experts, int top_k,
                              int* ids) {
  const std::int64_t token = warp_index();
  if (token >= tokens) return;
  const float* row = logits + token * experts;
  float last = INFINITY;
  int last_expert = -1;
  for (int k = 0; k < top_k; ++k) {
    float best = -INFINITY;
    int best_expert = INT_MAX;
    for (int e = lane(); e < experts; e += 32) {
      const float logit = comparable(row[e]);
      if (before(last, last_expert, logit, e) && before(logit, e, best, best_expert)) {
        best = logit;
        best_expert = e;
      }
    }
    for (int reach = 16; reach > 0; reach /= 2) {
      const float other = __shfl_xor_sync(kWholeWarp, best, reach);
      const int other_expert = __shfl_xor_sync(kWholeWarp, best_expert, reach);
      if (before(other, other_expert, best, best_expert)) {
        best = other;
        best_expert = other_expert;
      }
    }
    if (lane() == 0) ids[token * top_k + k] = best_expert;
    last = best;
    last_expert = best_expert;
  }
}

__global__ void weigh_kernel(const float* logits, const int* ids, std::int64_t tokens, int experts,
                             int top_k, float* probabilities, float* weights) {
  const std::int64_t token = warp_index();
  if (token >= tokens) return;
  const float* row = logits + token * experts;
  float* probability = probabilities + token * experts;
  float largest = -INFINITY;
  for (int e = lane(); e < experts; e += 32) largest = fmaxf(largest, row[e]);
  largest = warp_max(largest);
  float sum = 0;
  for (int e = lane(); e < experts; e += 32) sum += expf(row[e] - largest);
  sum = warp_sum(sum);
  for (int e = lane(); e < experts; e += 32) probability[e] = expf(row[e] - largest) / sum;
  __syncwarp();  // other lanes read them
  for (int k = lane(); k < top_k; k += 32) {
    weights[token * top_k + k] = probability[ids[token * top_k + k]];
  }
}

__global__ void exact_weigh_kernel(const float* logits, const int* ids, std::int64_t pairs,
                                   int experts, int top_k, float* weights) {
  const std::int64_t pair = thread_index();
  if (pair >= pairs) return;
  const float value = folded(logits[pair / top_k * experts + ids[pair]]);
  weights[pair] = value == 0 ? 1.0F : value;
}

template <bool kExact>
__global__ void gate_backward_kernel(const int* ids, const float* probabilities,
                                     const float* weight_gradient, std::int64_t tokens, int experts,
                                     int top_k, float* logit_gradient) {
  const std::int64_t token = warp_index();
  if (token >= tokens) return;
  const int* chosen = ids + token * top_k;
  const float* gradient = weight_gradient + token * top_k;
  const float* probability = probabilities + token * experts;
  float mean = 0;  // of the gradient, under the probabilities
  if (!kExact) {
    for (int k = 0; k < top_k; ++k) mean += gradient[k] * probability[chosen[k]];
  }
  for (int e = lane(); e < experts; e += 32) {
    float value = kExact ? 0.0F : -probability[e] * mean;
    for (int k = 0; k < top_k; ++k) {
      if (chosen[k] != e) continue;
      value = kExact ? gradient[k] : value + probability[e] * gradient[k];
    }
    logit_gradient[token * experts + e] = value;
  }
}

// In the kernels below each element of a row is read and written by one lane alone.

template <bool kExact>
__global__ void causal_forward_kernel(std::int64_t rows, int length, float scale, float* scores) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  float* at = scores + row * length;
  const int last = static_cast<int>(row % length);
  if (kExact) {
    for (int j = lane(); j < length; j += 32) at[j] = j <= last ? folded(at[j]) : 0.0F;
    return;
  }
  float largest = -INFINITY;
  for (int j = lane(); j <= last; j += 32) largest = fmaxf(largest, at[j]);
  largest = warp_max(largest);
  float sum = 0;
  for (int j = lane(); j <= last; j += 32) {
    at[j] = expf(scale * (at[j] - largest));
    sum += at[j];
  }
  sum = warp_sum(sum);
  for (int j = lane(); j < length; j += 32) at[j] = j <= last ? at[j] / sum : 0.0F;
}

template <bool kExact>
__global__ void causal_backward_kernel(std::int64_t rows, int length, float scale,
                                       const float* probabilities, float* gradient) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const float* probability = probabilities + row * length;
  float* at = gradient + row * length;
  const int last = static_cast<int>(row % length);
  if (kExact) {
    for (int j = lane(); j < length; j += 32) at[j] = j <= last ? folded(at[j]) : 0.0F;
    return;
  }
  float mean = 0;
  for (int j = lane(); j <= last; j += 32) mean += probability[j] * at[j];
  mean = warp_sum(mean);
  for (int j = lane(); j < length; j += 32) {
    at[j] = j <= last ? scale * probability[j] * (at[j] - mean) : 0.0F;
  }
}

template <bool kExact>
__global__ void norm_forward_kernel(std::int64_t rows, int width, const float* x, const float* gain,
                                    float* out, float* inverse) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const float* from = x + row * width;
  float* to = out + row * width;
  float scale = 1;
  if (!kExact) {
    float squares = 0;
    for (int c = lane(); c < width; c += 32) squares += from[c] * from[c];
    scale = 1 / sqrtf(warp_sum(squares) / static_cast<float>(width) + kNormEpsilon);
  }
  if (lane() == 0) inverse[row] = scale;
  for (int c = lane(); c < width; c += 32) {
    const float value = from[c] * scale * gain[c];
    to[c] = kExact ? folded(value) : value;
  }
}

template <bool kExact>
__global__ void norm_backward_kernel(std::int64_t rows, int width, const float* x,
                                     const float* gain, const float* inverse,
                                     const float* out_gradient, float* x_gradient) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const float* from = x + row * width;
  const float* gradient = out_gradient + row * width;
  float* to = x_gradient + row * width;
  if (kExact) {
    for (int c = lane(); c < width; c += 32) to[c] = folded(to[c] + gradient[c] * gain[c]);
    return;
  }
  const float scale = inverse[row];
  float along = 0;  // of the gradient on the row's direction
  for (int c = lane(); c < width; c += 32) along += gradient[c] * gain[c] * from[c];
  along = warp_sum(along) * scale * scale / static_cast<float>(width);
  for (int c = lane(); c < width; c += 32) {
    to[c] += scale * (gradient[c] * gain[c] - along * from[c]);
  }
}

/// One thread a column, one y of the grid a chunk of rows.
__global__ void gain_partial_kernel(std::int64_t rows, std::int64_t chunk_rows, int width,
                                    const float* x, const float* inverse, const float* out_gradient,
                                    float* partial) {
  const std::int64_t column = thread_index();
  if (column >= width) return;
  const std::int64_t first = blockIdx.y * chunk_rows;
  const std::int64_t end = first + chunk_rows < rows ? first + chunk_rows : rows;
  float sum = 0;
  for (std::int64_t row = first; row < end; ++row) {
    sum += out_gradient[row * width + column] * x[row * width + column] * inverse[row];
  }
  partial[blockIdx.y * static_cast<std::int64_t>(width) + column] = sum;
}

__global__ void gain_sum_kernel(int chunks, int width, const float* partial, float* gain_gradient) {
  const std::int64_t column = thread_index();
  if (column >= width) return;
  float sum = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    sum += partial[chunk * static_cast<std::int64_t>(width) + column];
  }
  gain_gradient[column] += sum;
}

bool exact(Arithmetic arithmetic) { return arithmetic == Arithmetic::exact; }

/// Blocks for one warp a row.
unsigned row_blocks(std::int64_t rows) { return blocks_for(rows * 32, kThreads); }

}  // namespace

void gate_choose(cudaStream_t stream, const GateShape& shape, const float* logits, int* ids) {
  if (shape.tokens == 0) return;
  choose_kernel<<<row_blocks(shape.tokens), kThreads, 0, stream>>>(logits, shape.tokens,
                                                                   shape.experts, shape.top_k, ids);
  launched("gate_choose");
}

void gate_weigh(cudaStream_t stream, const GateShape& shape, const float* logits, const int* ids,
                float* probabilities, float* weights) {
  if (shape.tokens == 0) return;
  if (exact(shape.arithmetic)) {
    const std::int64_t pairs = shape.tokens * shape.top_k;
    exact_weigh_kernel<<<blocks_for(pairs, kThreads), kThreads, 0, stream>>>(
        logits, ids, pairs, shape.experts, shape.top_k, weights);
  } else {
    weigh_kernel<<<row_blocks(shape.tokens), kThreads, 0, stream>>>(
        logits, ids, shape.tokens, shape.experts, shape.top_k, probabilities, weights);
  }
  launched("gate_weigh");
}

void gate_backward(cudaStream_t stream, const GateShape& shape, const int* ids,
                   const float* probabilities, const float* weight_gradient,
                   float* logit_gradient) {
  if (shape.tokens == 0) return;
  const auto kernel =
      exact(shape.arithmetic) ? gate_backward_kernel<true> : gate_backward_kernel<false>;
  kernel<<<row_blocks(shape.tokens), kThreads, 0, stream>>>(ids, probabilities, weight_gradient,
                                                            shape.tokens, shape.experts,
                                                            shape.top_k, logit_gradient);
  launched("gate_backward");
}

void causal_forward(cudaStream_t stream, const CausalShape& shape, float* scores) {
  const std::int64_t rows = shape.matrices * shape.length;
  if (rows == 0) return;
  const auto kernel =
      exact(shape.arithmetic) ? causal_forward_kernel<true> : causal_forward_kernel<false>;
  kernel<<<row_blocks(rows), kThreads, 0, stream>>>(rows, shape.length, shape.scale, scores);
  launched("causal_forward");
}

void causal_backward(cudaStream_t stream, const CausalShape& shape, const float* probabilities,
                     float* gradient) {
  const std::int64_t rows = shape.matrices * shape.length;
  if (rows == 0) return;
  const auto kernel =
      exact(shape.arithmetic) ? causal_backward_kernel<true> : causal_backward_kernel<false>;
  kernel<<<row_blocks(rows), kThreads, 0, stream>>>(rows, shape.length, shape.scale, probabilities,
                                                    gradient);
  launched("causal_backward");
}

void norm_forward(cudaStream_t stream, const NormShape& shape, const float* x, const float* gain,
                  float* out, float* inverse) {
  if (shape.rows == 0) return;
  const auto kernel =
      exact(shape.arithmetic) ? norm_forward_kernel<true> : norm_forward_kernel<false>;
  kernel<<<row_blocks(shape.rows), kThreads, 0, stream>>>(shape.rows, shape.width, x, gain, out,
                                                          inverse);
  launched("norm_forward");
}

void norm_backward(cudaStream_t stream, const NormShape& shape, const float* x, const float* gain,
                   const float* inverse, const float* out_gradient, float* x_gradient,
                   float* gain_gradient, float* partial) {
  if (shape.rows == 0) return;
  const auto kernel =
      exact(shape.arithmetic) ? norm_backward_kernel<true> : norm_backward_kernel<false>;
  kernel<<<row_blocks(shape.rows), kThreads, 0, stream>>>(shape.rows, shape.width, x, gain, inverse,
                                                          out_gradient, x_gradient);
  launched("norm_backward");
  const std::int64_t chunk_rows = (shape.rows + kGainChunks - 1) / kGainChunks;
  const auto chunks = static_cast<unsigned>((shape.rows + chunk_rows - 1) / chunk_rows);
  const unsigned columns = blocks_for(shape.width, kThreads);
  gain_partial_kernel<<<dim3(columns, chunks), kThreads, 0, stream>>>(
      shape.rows, chunk_rows, shape.width, x, inverse, out_gradient, partial);
  launched("gain gradient, chunks");
  gain_sum_kernel<<<columns, kThreads, 0, stream>>>(static_cast<int>(chunks), shape.width, partial,
                                                    gain_gradient);
  launched("gain gradient");
}

}  // namespace bethany::cuda
