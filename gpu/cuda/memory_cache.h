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
  /// The most bytes that were taken at once since the last call of begin_count(), as they were
  /// asked for, without those that were taken before it.
  std::size_t peak_bytes() const { return peak_; }
  void begin_count();

 private:
  struct Block {
    std::size_t size = 0;
    std::size_t asked = 0;  // 0: free, or not counted
  };
  std::byte* fresh(std::size_t size);
  void drop_free_blocks();

  std::unordered_map<std::byte*, Block> blocks_;         // all
  std::map<std::size_t, std::vector<std::byte*>> free_;  // by size
  std::size_t taken_ = 0;                                // bytes asked for, counted
  std::size_t peak_ = 0;
};

}  // namespace bethany::cuda
