#include "gpu/cuda/memory_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "gpu/cuda/device.h"
#include "sim/base/check.h"

namespace bethany::cuda {
namespace {

/// Eight sizes between a power of two and the next: an array that grows little by little finds its
/// old block again.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max<std::size_t>(512, std::bit_floor(bytes) / 8);
  return std::max<std::size_t>((bytes + step - 1) / step, 1) * step;
}

}  // namespace

MemoryCache::~MemoryCache() {
  for (const auto& [block, size] : sizes_) cudaFree(block);
}

std::byte* MemoryCache::take(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  auto& same_size = free_[size];
  if (!same_size.empty()) {
    std::byte* block = same_size.back();
    same_size.pop_back();
    return block;
  }
  void* block = nullptr;
  cudaError_t status = cudaMalloc(&block, size);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is dealt with
    drop_free_blocks();
    status = cudaMalloc(&block, size);
  }
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw GpuError(fmt::format("cudaMalloc of {} bytes: {}", size, cudaGetErrorString(status)));
  }
  sizes_.emplace(static_cast<std::byte*>(block), size);
  return static_cast<std::byte*>(block);
}

void MemoryCache::give(std::byte* block) {
  if (block == nullptr) return;
  const auto size = sizes_.find(block);
  BETHANY_CHECK(size != sizes_.end(), "memory that was not taken here");
  free_[size->second].push_back(block);
}

void MemoryCache::drop_free_blocks() {
  for (auto& [size, blocks] : free_) {
    for (std::byte* block : blocks) {
      check(cudaFree(block), "cudaFree");
      sizes_.erase(block);
    }
    blocks.clear();
  }
}

}  // namespace bethany::cuda
