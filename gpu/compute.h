#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sim/base/registry.h"

namespace bethany {

/// What a product of row-major matrices looks like: c (rows × columns) = a · b, where a is
/// rows × inner, or inner × rows when transposed, and b inner × columns, or columns × inner.
struct ProductShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t inner = 0;
  bool a_transposed = false;
  bool b_transposed = false;
  bool accumulate = false;  // c += a · b
};

/// The arithmetic of one rank on its device, on float tensors. Pointers are of device memory; calls
/// may return before the device is done, synchronize() waits. Used by one thread.
class Compute {
 public:
  virtual ~Compute() = default;

  virtual std::byte* allocate(std::size_t bytes) = 0;  // throws MachineError
  virtual void release(std::byte* memory) = 0;
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void clear(void* memory, std::size_t bytes) = 0;
  virtual void synchronize() = 0;

  virtual void product(const ProductShape& shape, const float* a, const float* b, float* c) = 0;
};

}  // namespace bethany
