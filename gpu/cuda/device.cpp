#include "gpu/cuda/device.h"

#include "gpu/backend.h"
#include "sim/base/text.h"

namespace bethany::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // cuBLAS' own choice on Hopper

/// What is free, but a tenth that libraries may still ask for.
std::size_t arena_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free / 10 * 8;
}

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw GpuError(std::string(what) + ": " + cudaGetErrorString(status));
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw GpuError(std::string(what) + ": " + cublasGetStatusString(status));
}

void require_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    throw NoDevice(std::string("no GPU: ") + cudaGetErrorString(status));
  }
  if (count == 0) throw NoDevice("no GPU");
}

std::vector<std::string> element_names() { return {"bf16", "fp16", "fp32"}; }

Element element_named(const std::string& name) {
  if (name == "bf16") return Element::bf16;
  if (name == "fp16") return Element::fp16;
  if (name == "fp32") return Element::fp32;
  throw InputError(unknown_name("element", name, element_names()));
}

Stream::Stream() {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
}

Stream::~Stream() { cudaStreamDestroy(stream_); }

void Stream::wait() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

Event::Event(bool timing) {
  const unsigned flags = timing ? cudaEventDefault : cudaEventDisableTiming;
  check(cudaEventCreateWithFlags(&event_, flags), "cudaEventCreate");
}

Event::~Event() { cudaEventDestroy(event_); }

void Event::record(cudaStream_t stream) const {
  check(cudaEventRecord(event_, stream), "cudaEventRecord");
}

Arena::Arena(std::size_t bytes) : size_(bytes) {
  void* base = nullptr;
  check(cudaMalloc(&base, bytes), "cudaMalloc of the arena");
  base_ = static_cast<char*>(base);
}

Arena::~Arena() { cudaFree(base_); }

void* Arena::take(std::size_t bytes) {
  const std::size_t rounded = (bytes + 255) / 256 * 256;
  if (rounded > size_ - used_) throw GpuError("device memory: the arena is full");
  void* result = base_ + used_;
  used_ += rounded;
  return result;
}

Device::Device() : arena_(arena_bytes()) {
  for (int i = 0; i < kStreams; ++i) {
    cublasHandle_t handle = nullptr;
    check(cublasCreate(&handle), "cublasCreate");
    handles_.push_back(handle);
    check(cublasSetStream(handle, stream(i)), "cublasSetStream");
    void* workspace = nullptr;
    check(cudaMalloc(&workspace, kWorkspaceBytes), "cudaMalloc of a workspace");
    workspaces_.push_back(workspace);
    check(cublasSetWorkspace(handle, workspace, kWorkspaceBytes), "cublasSetWorkspace");
  }
  void* scratch = nullptr;
  check(cudaMalloc(&scratch, 256), "cudaMalloc");
  workspaces_.push_back(scratch);
}

Device::~Device() {
  for (const auto handle : handles_) cublasDestroy(handle);
  for (void* workspace : workspaces_) cudaFree(workspace);
}

void Device::upload(void* to, const void* from, std::size_t bytes) const {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream(0)), "cudaMemcpyAsync");
  stream().wait();
}

void Device::fork(int count) {
  if (count < 2) return;
  forked_.record(stream(0));
  for (int i = 1; i < count; ++i) {
    check(cudaStreamWaitEvent(stream(i), forked_, 0), "cudaStreamWaitEvent");
  }
}

void Device::join(int count) {
  for (int i = 1; i < count; ++i) {
    joined_[i].record(stream(i));
    check(cudaStreamWaitEvent(stream(0), joined_[i], 0), "cudaStreamWaitEvent");
  }
}

}  // namespace bethany::cuda
