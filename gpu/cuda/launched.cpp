// Launched processes with one GPU each.
#include <cuda_runtime_api.h>

#include "gpu/cuda/device.h"
#include "gpu/elastic/launched_device.h"
#include "sim/base/object_reader.h"
#ifdef BETHANY_NCCL
#include "gpu/cuda/nccl_check.h"
#include "gpu/cuda/nccl_fabric.h"
#endif

namespace bethany {
namespace {

class LaunchedGpu final : public LaunchedDevice {
 public:
  int number(const Launch& launch) const override {
    cuda::require_device();
    int devices = 0;
    cuda::check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
    return device_of(launch, devices, environment_variable);
  }
#ifdef BETHANY_NCCL
  FabricMaker fabric(const Launch& launch) const override {
    return cuda::nccl_maker(launch.master->host);
  }
  std::string fabric_name() const override { return cuda::nccl_name(); }
  std::vector<CheckResult> check_fabric() const override { return cuda::check_nccl(); }
#else
  FabricMaker fabric(const Launch&) const override {
    throw InputError(
        "mode 'cluster' connects GPUs by NCCL, and this program was built without it (nccl.h, "
        "libnccl)");
  }
  std::string fabric_name() const override { return "none"; }
  std::vector<CheckResult> check_fabric() const override { return {}; }
#endif
};

const bool registered = launched_devices().add({
    .name = "cuda",
    .summary = "one GPU a process, connected by NCCL",
    .make = [](ObjectReader&) -> std::unique_ptr<LaunchedDevice> {
      return std::make_unique<LaunchedGpu>();
    },
});

}  // namespace
}  // namespace bethany
