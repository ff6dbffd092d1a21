// The backend `cuda`: one GPU.
#include "gpu/backend.h"

#include <fmt/format.h>

#include <limits>

#include "gpu/cuda/device.h"
#include "gpu/cuda/layer_numerics.h"
#include "gpu/cuda/matmul.h"
#include "gpu/cuda/operations.h"
#include "gpu/protocol.h"
#include "sim/base/error.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

using cuda::check;

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

class Cuda final : public Backend {
 public:
  explicit Cuda(ObjectReader& options) {
    options.integer("seed", 0, std::numeric_limits<std::int64_t>::max());
    element_ = options.choice("element", cuda::element_names(), "bf16");
    cuda::require_device();
    check(cudaGetDeviceProperties(&properties_, 0), "cudaGetDeviceProperties");
    device_ = std::make_unique<cuda::Device>();
    numerics_ = cuda::make_numerics(*device_);
    date_ = utc_now();
  }

  Machine machine() const override {
    int driver = 0;
    int runtime = 0;
    int blas = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
    check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
    check(cublasGetVersion(device_->blas(0), &blas), "cublasGetVersion");
    Machine machine;
    const auto add = [&machine](const char* key, std::string value) {
      machine.facts.emplace_back(key, std::move(value));
    };
    add("device", properties_.name);
    add("element", element_);
    add("compute_capability", fmt::format("{}.{}", properties_.major, properties_.minor));
    add("multiprocessors", fmt::format("{}", properties_.multiProcessorCount));
    add("l2_bytes", fmt::format("{}", properties_.l2CacheSize));
    add("memory_bytes", fmt::format("{}", properties_.totalGlobalMem));
    add("driver", kernel_driver());
    add("cuda_driver", version(driver));
    add("cuda_runtime", version(runtime));
    add("cublas", fmt::format("{}.{}.{}", blas / 10000, blas / 100 % 100, blas % 100));
    add("date", date_);
    return machine;
  }

  std::string refuses(const Point& point) const override {
    for (const auto operation :
         {Operation::attention_forward, Operation::attention_backward, Operation::loss,
          Operation::gate_backward, Operation::all_to_all, Operation::reduce, Operation::migrate,
          Operation::planning, Operation::process_start, Operation::communicator,
          Operation::detection, Operation::checkpoint_write, Operation::checkpoint_read}) {
      if (point.operation == operation) return "not built for this backend";
    }
    // Twice the traffic covers all buffers: gradients beside weights, inputs beside outputs. Work
    // counts elements of 16 bits.
    const double bytes = 2 * point_work(point).bytes * (element_ == "fp32" ? 2 : 1);
    if (bytes > static_cast<double>(device_->arena().size())) {
      return "needs more device memory than there is";
    }
    return "";
  }

  std::unique_ptr<PreparedOperation> prepare(const Point& point) override {
    return cuda::prepare_operation(*device_, cuda::element_named(element_), point,
                                   static_cast<std::size_t>(properties_.l2CacheSize));
  }
  std::vector<std::string> expert_variants() const override { return cuda::matmul_variants(); }
  Numerics* numerics() override { return numerics_.get(); }

 private:
  /// The version of the kernel module, as its own file has it; the runtime does not tell.
  static std::string kernel_driver() {
    std::FILE* file = std::fopen("/proc/driver/nvidia/version", "r");
    if (file == nullptr) return "";
    char text[256] = {};
    const std::size_t read = std::fread(text, 1, sizeof text - 1, file);
    std::fclose(file);
    const std::string line(text, read);
    const auto digit = line.find_first_of("0123456789", line.find("  "));
    if (digit == std::string::npos) return "";
    return line.substr(digit, line.find_first_of(" \n", digit) - digit);
  }

  std::string element_;  // of the rows and matrices that are measured
  cudaDeviceProp properties_{};
  std::unique_ptr<cuda::Device> device_;
  std::unique_ptr<Numerics> numerics_;
  std::string date_;
};

const bool registered = backends().add({
    .name = "cuda",
    .summary = "one NVIDIA GPU: cuBLAS, CUB and own kernels",
    .make = [](ObjectReader& options) -> std::unique_ptr<Backend> {
      return std::make_unique<Cuda>(options);
    },
});

}  // namespace
}  // namespace bethany
