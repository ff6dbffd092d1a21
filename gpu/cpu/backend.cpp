// One core of the host: what a rank of the CPU's real training does, measured piece by piece.

#include <fmt/format.h>

#include <cstdio>
#include <limits>
#include <thread>

#include "gpu/cpu/operations.h"
#include "gpu/pieces/piece_backend.h"
#include "gpu/protocol.h"
#include "gpu/validate/case_input.h"
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

Sweeps sweeps() {
  Sweeps all;
  all.shapes = {"tiny", "small"};
  all.peak = 512;
  all.sentinel = 256;
  all.bytes_max = 1 << 25;
  all.elements_max = 1 << 21;
  all.separate_host = false;
  all.arrays = {1, 4, 16};
  all.fabric_ranks = {2, 4, 8, 16};
  all.crew_ranks = {2, 4, 8, 12};
  return all;
}

PieceBackendOptions options_of(std::uint64_t seed) {
  const auto model = line_of("/proc/cpuinfo", "model name");
  return {.ranks = {.make = [](int) { return make_compute("cpu"); },
                    .clock = thread_seconds,
                    .device_memory = false,
                    .serialised = true,
                    .trained = CaseWorld().stack,
                    .made = {}},
          .rotated_bytes = 4e7,
          .flop_max = 2e10,
          .bytes_max = 1e9,
          .processes = true,
          .facts = {{"device", model.empty() ? "cpu" : model},
                    {"cores", fmt::format("{}", std::thread::hardware_concurrency())},
                    {"blas", cpu::blas_name()},
                    {"load_average", line_of("/proc/loadavg", "")},
                    {"date", utc_now()}},
          .sweeps = sweeps(),
          .seed = seed};
}

class Cpu final : public PieceBackend {
 public:
  explicit Cpu(std::uint64_t seed)
      : PieceBackend(options_of(seed)), numerics_(cpu::numerics_of(options_.ranks.at(0))) {}

  Numerics* numerics() override { return numerics_.get(); }

 private:
  std::unique_ptr<Numerics> numerics_;
};

const bool registered = backends().add({
    .name = "cpu",
    .summary = "one core of the host, ranks as threads; shapes small enough to train there",
    .make = [](ObjectReader& options) -> std::unique_ptr<Backend> {
      return std::make_unique<Cpu>(static_cast<std::uint64_t>(
          options.integer("seed", 0, std::numeric_limits<std::int64_t>::max())));
    },
});

}  // namespace
}  // namespace bethany
