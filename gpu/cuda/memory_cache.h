#pragma once

#include <cstddef>
#include <map>
#include <unordered_map>
#include <vector>

namespace bethany::cuda {

/// Device memory of one rank that is kept when it is given back: once all arrays have their size, a
/// step asks CUDA for nothing (cudaMalloc and cudaFree wait for the whole GPU). Blocks are handed
/// out again at once: all work on them is in the order of the rank's stream, or waited for.
class MemoryCache {
 public:
  MemoryCache() = default;
  ~MemoryCache();
  MemoryCache(const MemoryCache&) = delete;
  MemoryCache& operator=(const MemoryCache&) = delete;

  /// 256-byte aligned, up to an eighth larger than asked, content undefined. Throws GpuError.
  std::byte* take(std::size_t bytes);
  /// Requires: taken from here and not given back since; or null.
  void give(std::byte* block);

 private:
  void drop_free_blocks();

  std::unordered_map<std::byte*, std::size_t> sizes_;    // of all blocks
  std::map<std::size_t, std::vector<std::byte*>> free_;  // by size
};

}  // namespace bethany::cuda
