#include "gpu/cuda/partition.h"

#include <cuda.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "gpu/cuda/device.h"
#include "sim/base/check.h"

namespace bethany::cuda {
namespace {

/// Green contexts belong to the driver's interface. The program must start where there is no
/// driver, so its functions are looked up when they are needed and never linked.
struct DriverFunctions {
  decltype(&cuDeviceGet) device_get = nullptr;
  decltype(&cuDeviceGetDevResource) device_resource = nullptr;
  decltype(&cuDevSmResourceSplitByCount) split = nullptr;
  decltype(&cuDevResourceGenerateDesc) describe = nullptr;
  decltype(&cuGreenCtxCreate) create = nullptr;
  decltype(&cuGreenCtxDestroy) destroy = nullptr;
  decltype(&cuGreenCtxStreamCreate) create_stream = nullptr;
};

template <class Function>
bool look_up(const char* name, Function& function) {
  void* address = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t status =
      cudaGetDriverEntryPointByVersion(name, &address, CUDA_VERSION, cudaEnableDefault, &found);
  if (status != cudaSuccess) cudaGetLastError();
  if (status != cudaSuccess || found != cudaDriverEntryPointSuccess) return false;
  function = reinterpret_cast<Function>(address);
  return function != nullptr;
}

std::optional<DriverFunctions> driver_functions() {
  DriverFunctions f;
  const bool all =
      look_up("cuDeviceGet", f.device_get) &&
      look_up("cuDeviceGetDevResource", f.device_resource) &&
      look_up("cuDevSmResourceSplitByCount", f.split) &&
      look_up("cuDevResourceGenerateDesc", f.describe) && look_up("cuGreenCtxCreate", f.create) &&
      look_up("cuGreenCtxDestroy", f.destroy) && look_up("cuGreenCtxStreamCreate", f.create_stream);
  if (!all) return std::nullopt;
  return f;
}

/// Green contexts of equal size; destroys them at the end.
class Contexts {
 public:
  explicit Contexts(const DriverFunctions& driver) : driver_(driver) {}
  ~Contexts() {
    for (const auto context : contexts_) driver_.destroy(context);
  }
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  /// Makes `parts` contexts; answers why when the driver refuses.
  std::string make(int parts) {
    CUdevice device = 0;
    CUdevResource all{};
    if (const auto why = failed("cuDeviceGet", driver_.device_get(&device, 0)); !why.empty()) {
      return why;
    }
    const auto found = driver_.device_resource(device, &all, CU_DEV_RESOURCE_TYPE_SM);
    if (const auto why = failed("cuDeviceGetDevResource", found); !why.empty()) return why;
    const auto groups = split(all, static_cast<unsigned>(parts));
    if (groups.empty()) return fmt::format("the driver does not make {} equal parts", parts);
    multiprocessors_ = static_cast<int>(groups.front().sm.smCount);
    for (auto group : groups) {
      CUdevResourceDesc description = nullptr;
      const auto described = driver_.describe(&description, &group, 1);
      if (const auto why = failed("cuDevResourceGenerateDesc", described); !why.empty()) return why;
      CUgreenCtx context = nullptr;
      const auto made = driver_.create(&context, description, device, CU_GREEN_CTX_DEFAULT_STREAM);
      if (const auto why = failed("cuGreenCtxCreate", made); !why.empty()) return why;
      contexts_.push_back(context);
    }
    return "";
  }

  int multiprocessors() const { return multiprocessors_; }

  cudaStream_t stream(std::size_t part) const {
    CUstream stream = nullptr;
    const auto status = driver_.create_stream(&stream, contexts_[part], CU_STREAM_NON_BLOCKING, 0);
    if (const auto why = failed("cuGreenCtxStreamCreate", status); !why.empty()) {
      throw GpuError(why);
    }
    return stream;
  }

 private:
  static std::string failed(const char* what, CUresult status) {
    if (status == CUDA_SUCCESS) return "";
    return fmt::format("{} ended with {}", what, static_cast<int>(status));
  }

  /// The largest equal groups of which there are enough: a GPU's clusters of multiprocessors differ
  /// in size, so there may be fewer groups than a division says. Empty: there are none.
  std::vector<CUdevResource> split(const CUdevResource& all, unsigned parts) const {
    const unsigned smallest = std::max(1U, all.sm.minSmPartitionSize);
    const unsigned step = std::max(1U, all.sm.smCoscheduledAlignment);
    unsigned size = all.sm.smCount / parts / step * step;
    for (; size >= smallest && size > 0; size -= step) {
      std::vector<CUdevResource> groups(parts);
      unsigned made = parts;
      const auto status = driver_.split(groups.data(), &made, &all, nullptr, 0, size);
      if (status == CUDA_SUCCESS && made == parts) return groups;
    }
    return {};
  }

  DriverFunctions driver_;
  std::vector<CUgreenCtx> contexts_;
  int multiprocessors_ = 0;
};

class GreenPartition final : public Partition {
 public:
  GreenPartition(std::unique_ptr<Contexts> contexts, int parts)
      : contexts_(std::move(contexts)), parts_(parts) {}

  cudaStream_t stream(int part) override {
    BETHANY_CHECK(part >= 0 && part < parts_, "part {} of {}", part, parts_);
    const std::lock_guard lock(mutex_);
    return contexts_->stream(static_cast<std::size_t>(part));
  }
  int multiprocessors() const override { return contexts_->multiprocessors(); }
  bool confined() const override { return true; }
  std::string remark() const override {
    return fmt::format("{} parts of {} multiprocessors", parts_, multiprocessors());
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Contexts> contexts_;
  int parts_;
};

class PlainStreams final : public Partition {
 public:
  PlainStreams(int multiprocessors, std::string why)
      : multiprocessors_(multiprocessors), why_(std::move(why)) {}

  cudaStream_t stream(int) override {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return stream;
  }
  int multiprocessors() const override { return multiprocessors_; }
  bool confined() const override { return false; }
  std::string remark() const override {
    return fmt::format(
        "not confined ({}): only cuBLAS is asked to use {} multiprocessors, other kernels take any",
        why_, multiprocessors_);
  }

 private:
  int multiprocessors_;
  std::string why_;
};

}  // namespace

std::unique_ptr<Partition> make_partition(int parts) {
  constexpr int kSmallest = 8;  // of compute capability 9
  BETHANY_CHECK(parts > 0, "{} parts", parts);
  check(cudaSetDevice(0), "cudaSetDevice");  // makes the primary context, which green ones stand on
  int all = 0;
  check(cudaDeviceGetAttribute(&all, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
  if (all / kSmallest < parts) {
    throw InputError(fmt::format("{} ranks on a GPU of {} multiprocessors: at most {} parts of {}",
                                 parts, all, all / kSmallest, kSmallest));
  }
  std::string why = "the driver has no green contexts";
  if (const auto driver = driver_functions()) {
    auto contexts = std::make_unique<Contexts>(*driver);
    why = contexts->make(parts);
    if (why.empty()) return std::make_unique<GreenPartition>(std::move(contexts), parts);
  }
  return std::make_unique<PlainStreams>(all / parts, why);
}

}  // namespace bethany::cuda
