// One core of the host: what a rank of the CPU's real training does, measured piece by piece.
#include "gpu/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>

#include "gpu/cpu/operations.h"
#include "gpu/protocol.h"
#include "sim/base/object_reader.h"

namespace bethany {
namespace {

/// The first line of a file that begins so, after its colon; all of the first line without one.
std::string line_of(const char* path, const std::string& start) {
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return "";
  char text[512] = {};
  std::string found;
  while (found.empty() && std::fgets(text, sizeof text, file) != nullptr) {
    const std::string line(text);
    if (line.starts_with(start)) found = line.substr(start.empty() ? 0 : line.find(':') + 1);
  }
  std::fclose(file);
  const auto first = found.find_first_not_of(" \t");
  const auto last = found.find_last_not_of(" \t\n");
  return first == std::string::npos ? "" : found.substr(first, last - first + 1);
}

/// Several copies of a work, each with its own buffers, so that these do not all stay in the cache
/// nearest to the core: in a step other phases come between. Timed in seconds of the thread.
class CpuOperation final : public PreparedOperation {
 public:
  explicit CpuOperation(std::vector<std::function<void()>> works) : works_(std::move(works)) {}

  Sample run(int repeats) override {
    const double start = thread_seconds();
    for (int i = 0; i < repeats; ++i) works_[next_++ % works_.size()]();
    return {.seconds = (thread_seconds() - start) / repeats, .enqueue_seconds = 0};
  }

 private:
  std::vector<std::function<void()>> works_;
  std::size_t next_ = 0;
};

class Cpu final : public Backend {
 public:
  explicit Cpu(ObjectReader& options)
      : seed_(static_cast<std::uint64_t>(
            options.integer("seed", 0, std::numeric_limits<std::int64_t>::max()))),
        compute_(make_compute("cpu")),
        numerics_(cpu::numerics_of(*compute_)),
        date_(utc_now()) {}

  Machine machine() const override {
    Machine machine;
    const auto model = line_of("/proc/cpuinfo", "model name");
    machine.facts = {{"device", model.empty() ? "cpu" : model},
                     {"cores", fmt::format("{}", std::thread::hardware_concurrency())},
                     {"blas", cpu::blas_name()},
                     {"load_average", line_of("/proc/loadavg", "")},
                     {"date", date_}};
    return machine;
  }

  std::string refuses(const Point& point) const override {
    if (point.operation == Operation::moe_layer) return "layers are measured in training";
    constexpr double kMostFlop = 2e10;
    constexpr double kMostBytes = 1e9;
    const Work work = point_work(point);
    return work.flop > kMostFlop || work.bytes > kMostBytes ? "too large for one core" : "";
  }

  std::unique_ptr<PreparedOperation> prepare(const Point& point) override {
    if (point.operation == Operation::all_to_all || point.operation == Operation::reduce ||
        point.operation == Operation::migrate) {
      return cpu::fabric_operation(point);
    }
    if (auto lifecycle = cpu::lifecycle_operation(point)) return lifecycle;
    // In a step every rank comes back to its data after all others have used the caches: enough
    // copies that none is still there.
    constexpr double kRotated = 4e7;                   // bytes of all copies together
    const double bytes = 2 * point_work(point).bytes;  // floats, where Work counts 16-bit elements
    const auto copies = static_cast<std::uint64_t>(std::clamp(kRotated / (bytes + 1), 1.0, 2000.0));
    std::vector<std::function<void()>> works;
    for (std::uint64_t i = 0; i < copies; ++i) {
      works.push_back(cpu::operation_work_of(*compute_, point, seed_ * 64 + i));
    }
    return std::make_unique<CpuOperation>(std::move(works));
  }

  std::vector<std::string> expert_variants() const override { return {"loop"}; }
  Numerics* numerics() override { return numerics_.get(); }
  std::vector<MemoryCheck> memory() override {
    std::vector<MemoryCheck> checks;
    for (const auto& entry : shape_zoo()) {
      if (entry.heads > 0) checks.push_back(cpu::memory_check(entry));
    }
    return checks;
  }
  Sweeps sweeps() const override {
    Sweeps all;
    all.shapes.clear();
    for (const auto& entry : shape_zoo()) {
      if (entry.heads > 0) all.shapes.push_back(entry.name);
    }
    all.peak = 512;
    all.sentinel = 256;
    all.bytes_max = 1 << 25;
    all.elements_max = 1 << 21;
    all.separate_host = false;
    all.fabric_ranks = {2, 4, 8, 16};
    all.crew_ranks = {2, 4, 8, 12};
    return all;
  }

 private:
  std::uint64_t seed_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<Numerics> numerics_;
  std::string date_;
};

const bool registered = backends().add({
    .name = "cpu",
    .summary = "one core of the host, ranks as threads; shapes small enough to train there",
    .make = [](ObjectReader& options) -> std::unique_ptr<Backend> {
      return std::make_unique<Cpu>(options);
    },
});

}  // namespace
}  // namespace bethany
