#pragma once

// What the project's kernels share. Only .cu files include this.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "gpu/cuda/device.h"

namespace bethany::cuda {

constexpr int kThreads = 256;
constexpr unsigned kWholeWarp = 0xFFFFFFFFU;

inline unsigned blocks_for(std::int64_t work, int per_block) {
  const std::int64_t blocks = (work + per_block - 1) / per_block;
  return static_cast<unsigned>(std::clamp<std::int64_t>(blocks, 1, 1 << 30));
}

inline void launched(const char* what) { check(cudaGetLastError(), what); }

inline __device__ std::int64_t thread_index() {
  return blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
}
/// Rows go to whole warps: all lanes of a warp have the same one.
inline __device__ std::int64_t warp_index() { return thread_index() / 32; }
inline __device__ int lane() { return static_cast<int>(threadIdx.x) % 32; }

/// All lanes get the same bits: at every step two lanes add the same two numbers.
inline __device__ float warp_sum(float value) {
  for (int reach = 16; reach > 0; reach /= 2) value += __shfl_xor_sync(kWholeWarp, value, reach);
  return value;
}
inline __device__ float warp_max(float value) {
  for (int reach = 16; reach > 0; reach /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, reach));
  }
  return value;
}

/// The integer of -3..3 that equals `value`, an integer, mod 7.
inline __device__ float folded(float value) {
  int rest = static_cast<int>(value) % 7;
  if (rest > 3) rest -= 7;
  if (rest < -3) rest += 7;
  return static_cast<float>(rest);
}

}  // namespace bethany::cuda
