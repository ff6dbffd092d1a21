#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

namespace bethany::cuda {

/// The GPU's multiprocessors in equal parts (green contexts), one a rank, so that ranks compute
/// beside each other without taking each other's multiprocessors. Memory, its caches and copies
/// stay shared. Where the driver cannot do it, parts are plain streams that only cuBLAS keeps
/// within multiprocessors() of them: confined() says which. Members may be called from any thread.
class Partition {
 public:
  virtual ~Partition() = default;

  /// A new stream that does not wait for the default one; the caller destroys it, before the
  /// partition. Requires: 0 <= part < parts.
  virtual cudaStream_t stream(int part) = 0;
  /// Multiprocessors of each part.
  virtual int multiprocessors() const = 0;
  virtual bool confined() const = 0;
  /// What a report has to say: "4 parts of 32 multiprocessors", or why they are not confined.
  virtual std::string remark() const = 0;
};

/// Throws InputError when the GPU has too few multiprocessors for so many parts.
std::unique_ptr<Partition> make_partition(int parts);

}  // namespace bethany::cuda
