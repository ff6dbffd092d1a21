#include "gpu/cuda/launch.cuh"
#include "gpu/cuda/layer_kernels.h"

namespace bethany::cuda {
namespace {

__global__ void add_kernel(float* values, const float* other, std::int64_t count) {
  const std::int64_t i = thread_index();
  if (i < count) values[i] += other[i];
}

__global__ void fold_kernel(float* values, std::int64_t count) {
  const std::int64_t i = thread_index();
  if (i < count) values[i] = folded(values[i]);
}

struct Addends {
  const float* at[kAddendsMax];
};

/// Reads all of an element before it writes it: the sum may take the place of an addend.
__global__ void sum_kernel(Addends addends, int addend_count, std::int64_t count, float* out) {
  const std::int64_t i = thread_index();
  if (i >= count) return;
  float sum = addends.at[0][i];
  for (int a = 1; a < addend_count; ++a) sum += addends.at[a][i];
  out[i] = sum;
}

template <bool kGated>
__global__ void exact_activation_kernel(const float* inner, std::int64_t count, int width,
                                        float* out) {
  const std::int64_t i = thread_index();
  if (i >= count) return;
  // A row of inner is twice as wide when gated.
  const float* gate = inner + (kGated ? i + i / width * width : i);
  const float positive = fmaxf(*gate, 0.0F);
  out[i] = kGated ? folded(positive * gate[width]) : positive;
}

template <bool kGated>
__global__ void exact_activation_gradient_kernel(const float* inner, const float* out_gradient,
                                                 std::int64_t count, int width,
                                                 float* inner_gradient) {
  const std::int64_t i = thread_index();
  if (i >= count) return;
  const std::int64_t at = kGated ? i + i / width * width : i;
  const float gate = inner[at];
  const float g = out_gradient[i];
  if (kGated) {
    inner_gradient[at] = gate > 0 ? folded(g * inner[at + width]) : 0.0F;
    inner_gradient[at + width] = folded(g * fmaxf(gate, 0.0F));
  } else {
    inner_gradient[at] = gate > 0 ? g : 0.0F;
  }
}

/// The sum of a block's values, for its first thread. Requires: blocks of kThreads.
__device__ double block_sum(double value) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = value;
  __syncthreads();
  for (int reach = kThreads / 2; reach > 0; reach /= 2) {
    if (threadIdx.x < reach) sums[threadIdx.x] += sums[threadIdx.x + reach];
    __syncthreads();
  }
  return sums[0];
}

/// The grid is the same for every count, and so is the order of the sum.
__global__ void distance_kernel(const float* values, const float* target, std::int64_t count,
                                float* gradient, double* sums) {
  double sum = 0;
  for (std::int64_t i = thread_index(); i < count; i += std::int64_t{kSumBlocks} * kThreads) {
    const float difference = values[i] - target[i];
    gradient[i] = difference;
    sum += 0.5 * static_cast<double>(difference) * static_cast<double>(difference);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void total_kernel(double* sums) {
  const double sum = block_sum(sums[threadIdx.x]);
  if (threadIdx.x == 0) sums[kSumBlocks] = sum;
}
static_assert(kSumBlocks == kThreads, "one block adds the sums of all blocks");

__global__ void float_adam_kernel(OptimizerArrays arrays, std::int64_t count,
                                  bethany::AdamArguments a) {
  const std::int64_t i = thread_index();
  if (i >= count) return;
  const float g = arrays.gradient[i] * a.gradient_scale;
  const float m = a.beta1 * arrays.momentum[i] + (1 - a.beta1) * g;
  const float v = a.beta2 * arrays.variance[i] + (1 - a.beta2) * g * g;
  arrays.momentum[i] = m;
  arrays.variance[i] = v;
  arrays.weights[i] -= a.rate * m * a.bias1 / (sqrtf(v * a.bias2) + a.epsilon);
}

__global__ void exact_update_kernel(OptimizerArrays arrays, std::int64_t count) {
  const std::int64_t i = thread_index();
  if (i >= count) return;
  const float g = folded(arrays.gradient[i]);
  const float m = folded(2 * arrays.momentum[i] + g);
  const float v = folded(3 * arrays.variance[i] + m * g);
  arrays.momentum[i] = m;
  arrays.variance[i] = v;
  arrays.weights[i] = folded(arrays.weights[i] - m + v);
}

}  // namespace

void add(cudaStream_t stream, float* values, const float* other, std::int64_t count) {
  if (count == 0) return;
  add_kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(values, other, count);
  launched("add");
}

void fold(cudaStream_t stream, float* values, std::int64_t count) {
  if (count == 0) return;
  fold_kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(values, count);
  launched("fold");
}

void sum_in_order(cudaStream_t stream, std::span<const float* const> addends, std::int64_t count,
                  float* out) {
  if (count == 0) return;
  Addends pointers{};
  std::copy(addends.begin(), addends.end(), pointers.at);
  sum_kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(
      pointers, static_cast<int>(addends.size()), count, out);
  launched("sum_in_order");
}

void exact_activation_forward(cudaStream_t stream, const ActivationShape& shape, const float* inner,
                              float* out) {
  const std::int64_t count = shape.rows * shape.width;
  if (count == 0) return;
  const auto kernel = shape.gated ? exact_activation_kernel<true> : exact_activation_kernel<false>;
  kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(inner, count, shape.width, out);
  launched("exact_activation_forward");
}

void exact_activation_backward(cudaStream_t stream, const ActivationShape& shape,
                               const float* inner, const float* out_gradient,
                               float* inner_gradient) {
  const std::int64_t count = shape.rows * shape.width;
  if (count == 0) return;
  const auto kernel = shape.gated ? exact_activation_gradient_kernel<true>
                                  : exact_activation_gradient_kernel<false>;
  kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(inner, out_gradient, count,
                                                               shape.width, inner_gradient);
  launched("exact_activation_backward");
}

void squared_distance(cudaStream_t stream, const float* values, const float* target,
                      std::int64_t count, float* gradient, double* sums) {
  distance_kernel<<<kSumBlocks, kThreads, 0, stream>>>(values, target, count, gradient, sums);
  launched("squared_distance");
  total_kernel<<<1, kThreads, 0, stream>>>(sums);
  launched("squared_distance, total");
}

void adam(cudaStream_t stream, const OptimizerArrays& arrays, std::int64_t count,
          const bethany::AdamArguments& arguments) {
  if (count == 0) return;
  float_adam_kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(arrays, count, arguments);
  launched("adam");
}

void exact_update(cudaStream_t stream, const OptimizerArrays& arrays, std::int64_t count) {
  if (count == 0) return;
  exact_update_kernel<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(arrays, count);
  launched("exact_update");
}

}  // namespace bethany::cuda
