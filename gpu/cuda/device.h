#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <vector>

#include "sim/base/error.h"

namespace bethany::cuda {

/// A CUDA or cuBLAS call failed: the machine failed us.
class GpuError : public MachineError {
 public:
  using MachineError::MachineError;
};

/// Throw GpuError naming the call.
void check(cudaError_t status, const char* what);
void check(cublasStatus_t status, const char* what);

/// Throws NoDevice when there is no GPU, or no driver for this toolkit.
void require_device();

/// The elements of matrices and rows.
enum class Element { fp32, bf16, fp16 };

/// "bf16", "fp16", "fp32".
std::vector<std::string> element_names();
/// Throws InputError on an unknown name.
Element element_named(const std::string& name);

inline std::size_t element_bytes(Element element) { return element == Element::fp32 ? 4 : 2; }

class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }
  void wait() const;

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  /// Without timing an event only orders streams, cheaper.
  explicit Event(bool timing);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }
  void record(cudaStream_t stream) const;

 private:
  cudaEvent_t event_ = nullptr;
};

/// One allocation for all buffers: nothing is allocated while points are measured.
class Arena {
 public:
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// 256-byte aligned. Throws GpuError when the arena is full.
  void* take(std::size_t bytes);
  template <class T>
  T* take_of(std::size_t count) {
    return static_cast<T*>(take(count * sizeof(T)));
  }
  void reset() { used_ = 0; }
  std::size_t size() const { return size_; }
  std::size_t used() const { return used_; }

 private:
  char* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

/// Streams and cuBLAS handles of one device: one handle a stream, each with its own workspace.
class Device {
 public:
  static constexpr int kStreams = 4;

  Device();
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// The stream everything is ordered on; the others fork from it and join it.
  const Stream& stream() const { return streams_[0]; }
  cudaStream_t stream(int index) const { return streams_[static_cast<std::size_t>(index)]; }
  cublasHandle_t blas(int index) const { return handles_[static_cast<std::size_t>(index)]; }
  /// Streams 1..count-1 wait for what stream 0 has now; and the other way round.
  void fork(int count);
  void join(int count);
  Arena& arena() { return arena_; }
  /// 256 bytes that no point uses.
  void* scratch() const { return workspaces_.back(); }

  /// Copies to the device, in the order of stream 0, and waits. (The streams here do not wait for
  /// the default stream, which cudaMemcpy uses.)
  void upload(void* to, const void* from, std::size_t bytes) const;

 private:
  Stream streams_[kStreams];
  std::vector<cublasHandle_t> handles_;
  std::vector<void*> workspaces_;
  Event forked_{false};
  Event joined_[kStreams] = {Event(false), Event(false), Event(false), Event(false)};
  Arena arena_;
};

}  // namespace bethany::cuda
