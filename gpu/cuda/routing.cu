// The only file that includes CUB: it costs the compiler far more than all the rest.
#include <bit>
#include <cub/device/device_radix_sort.cuh>

#include "gpu/cuda/device.h"
#include "gpu/cuda/routing.h"

namespace bethany::cuda {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(std::int64_t work) {
  return static_cast<unsigned>((work + kThreads - 1) / kThreads);
}

int key_bits(int experts) {
  return experts < 2 ? 1 : std::bit_width(static_cast<unsigned>(experts - 1));
}

__global__ void count_up(int* out, std::int64_t count) {
  const std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
  if (i < count) out[i] = static_cast<int>(i);
}

/// The inverse of the order, and where each expert begins: keys are sorted, so a row whose key
/// differs from the one before starts the experts in between. No histogram, no scan.
__global__ void invert(const int* order, const std::uint16_t* sorted_keys, std::int64_t pairs,
                       int experts, int* position, int* offsets) {
  const std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
  if (i >= pairs) return;
  position[order[i]] = static_cast<int>(i);
  const int own = sorted_keys[i];
  const int before = i == 0 ? -1 : sorted_keys[i - 1];
  for (int expert = before + 1; expert <= own; ++expert) offsets[expert] = static_cast<int>(i);
  if (i == pairs - 1) {
    for (int expert = own + 1; expert <= experts; ++expert) {
      offsets[expert] = static_cast<int>(pairs);
    }
  }
}

}  // namespace

std::size_t routing_scratch_bytes(std::int64_t pairs, int experts) {
  std::size_t bytes = 0;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, static_cast<std::uint16_t*>(nullptr),
                                        static_cast<std::uint16_t*>(nullptr),
                                        static_cast<int*>(nullptr), static_cast<int*>(nullptr),
                                        static_cast<int>(pairs), 0, key_bits(experts)),
        "size of the radix sort");
  return bytes;
}

void prepare_routing(cudaStream_t stream, const RoutingBuffers& buffers, std::int64_t pairs) {
  count_up<<<blocks_for(pairs), kThreads, 0, stream>>>(buffers.pairs, pairs);
  check(cudaGetLastError(), "count_up");
}

void sort_routing(cudaStream_t stream, const RoutingBuffers& buffers, std::int64_t pairs,
                  int experts) {
  std::size_t bytes = buffers.scratch_bytes;
  check(cub::DeviceRadixSort::SortPairs(buffers.scratch, bytes, buffers.keys, buffers.sorted_keys,
                                        buffers.pairs, buffers.order, static_cast<int>(pairs), 0,
                                        key_bits(experts), stream),
        "radix sort");
  invert<<<blocks_for(pairs), kThreads, 0, stream>>>(buffers.order, buffers.sorted_keys, pairs,
                                                     experts, buffers.position, buffers.offsets);
  check(cudaGetLastError(), "invert");
}

}  // namespace bethany::cuda
