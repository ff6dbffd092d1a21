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
  for (const auto& [address, block] : blocks_) cudaFree(address);
}

std::byte* MemoryCache::take(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  auto& same_size = free_[size];
  std::byte* address = nullptr;
  if (!same_size.empty()) {
    address = same_size.back();
    same_size.pop_back();
  } else {
    address = fresh(size);
  }
  blocks_[address] = {.size = size, .asked = bytes};
  taken_ += bytes;
  peak_ = std::max(peak_, taken_);
  return address;
}

std::byte* MemoryCache::fresh(std::size_t size) {
  void* address = nullptr;
  cudaError_t status = cudaMalloc(&address, size);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is dealt with
    drop_free_blocks();
    status = cudaMalloc(&address, size);
  }
  if (status != cudaSuccess) {
    cudaGetLastError();
    throw GpuError(fmt::format("cudaMalloc of {} bytes: {}", size, cudaGetErrorString(status)));
  }
  return static_cast<std::byte*>(address);
}

void MemoryCache::give(std::byte* address) {
  if (address == nullptr) return;
  const auto found = blocks_.find(address);
  BETHANY_CHECK(found != blocks_.end(), "memory that was not taken here");
  Block& block = found->second;
  taken_ -= block.asked;
  block.asked = 0;
  free_[block.size].push_back(address);
}

void MemoryCache::begin_count() {
  for (auto& [address, block] : blocks_) block.asked = 0;
  taken_ = 0;
  peak_ = 0;
}

void MemoryCache::drop_free_blocks() {
  for (auto& [size, blocks] : free_) {
    for (std::byte* block : blocks) {
      check(cudaFree(block), "cudaFree");
      blocks_.erase(block);
    }
    blocks.clear();
  }
}

}  // namespace bethany::cuda
