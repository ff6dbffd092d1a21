#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace bethany::cuda {

/// Routed (token, expert) pairs in expert order; all arrays on the device.
struct RoutingBuffers {
  std::uint16_t* keys = nullptr;  // in: expert of each pair
  std::uint16_t* sorted_keys = nullptr;
  int* pairs = nullptr;     // 0, 1, 2, …: filled by prepare_routing
  int* order = nullptr;     // out: pair of each row in expert order
  int* position = nullptr;  // out: row of each pair
  int* offsets = nullptr;   // out: experts + 1 first rows
  void* scratch = nullptr;
  std::size_t scratch_bytes = 0;
};

/// Scratch memory that sort_routing needs.
std::size_t routing_scratch_bytes(std::int64_t pairs, int experts);

void prepare_routing(cudaStream_t stream, const RoutingBuffers& buffers, std::int64_t pairs);

/// Stable: pairs of an expert stay in their order.
void sort_routing(cudaStream_t stream, const RoutingBuffers& buffers, std::int64_t pairs,
                  int experts);

}  // namespace bethany::cuda
