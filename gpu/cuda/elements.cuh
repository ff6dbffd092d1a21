#pragma once

// The types behind Element. Only .cu files include this.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "gpu/cuda/device.h"

namespace bethany::cuda {

using bf16 = __nv_bfloat16;
using fp16 = __half;

inline __device__ float to_float(float v) { return v; }
inline __device__ float to_float(bf16 v) { return __bfloat162float(v); }
inline __device__ float to_float(fp16 v) { return __half2float(v); }

/// To the nearest, ties to even; beyond the largest number: infinity.
template <class T>
__device__ T from_float(float v);
template <>
inline __device__ float from_float<float>(float v) {
  return v;
}
template <>
inline __device__ bf16 from_float<bf16>(float v) {
  return __float2bfloat16(v);
}
template <>
inline __device__ fp16 from_float<fp16>(float v) {
  return __float2half(v);
}

/// N elements, read and written at once.
template <class T, int N>
struct alignas(N * sizeof(T)) Elements {
  static constexpr int kCount = N;
  T v[N];
};
/// 16 bytes of elements: the widest load or store.
template <class T>
using Pack = Elements<T, 16 / sizeof(T)>;

template <class T>
__device__ Pack<T> load(const T* at) {
  return *reinterpret_cast<const Pack<T>*>(at);
}
template <class T>
__device__ void store(T* at, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(at) = pack;
}

template <class T>
T* as(void* p) {
  return static_cast<T*>(p);
}
template <class T>
const T* as(const void* p) {
  return static_cast<const T*>(p);
}

/// Calls f with a null pointer of the element's type.
template <class F>
void with_element(Element element, F f) {
  switch (element) {
    case Element::fp32:
      return f(static_cast<float*>(nullptr));
    case Element::bf16:
      return f(static_cast<bf16*>(nullptr));
    case Element::fp16:
      return f(static_cast<fp16*>(nullptr));
  }
}

}  // namespace bethany::cuda
