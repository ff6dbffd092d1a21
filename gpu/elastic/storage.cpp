#include "gpu/elastic/storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "gpu/fabric/views.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::unique_ptr<std::FILE, Close> open(const std::string& path, const char* how) {
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), how));
  if (!file) throw MachineError(fmt::format("{}: {}", path, std::strerror(errno)));
  return file;
}

}  // namespace

std::string dense_path(const std::string& folder) { return folder + "/dense"; }

std::string expert_path(const std::string& folder, int layer, int expert) {
  return fmt::format("{}/layer{}-expert{}", folder, layer, expert);
}

std::vector<int> writers_of(const PlacementPlan& plan, std::size_t dense_bytes,
                            std::size_t expert_bytes) {
  std::vector<std::size_t> load(static_cast<std::size_t>(plan.ranks()));
  std::vector<int> writers{0};
  load[0] = dense_bytes;
  for (const auto& gradient : expert_gradients(plan, 1)) {
    const int writer =
        *std::min_element(gradient.holders.begin(), gradient.holders.end(), [&load](int a, int b) {
          return load[static_cast<std::size_t>(a)] < load[static_cast<std::size_t>(b)];
        });
    load[static_cast<std::size_t>(writer)] += expert_bytes;
    writers.push_back(writer);
  }
  return writers;
}

void write_state(const std::string& path, std::span<const std::byte> state) {
  const auto file = open(path, "wb");
  const auto written = std::fwrite(state.data(), 1, state.size(), file.get());
  if (written != state.size() || std::fflush(file.get()) != 0) {
    throw MachineError(path + ": cannot write");
  }
}

void read_state(const std::string& path, std::span<std::byte> state) {
  const auto file = open(path, "rb");
  const auto read = std::fread(state.data(), 1, state.size(), file.get());
  if (read != state.size() || std::fgetc(file.get()) != EOF) {
    throw MachineError(fmt::format("{}: not {} bytes", path, state.size()));
  }
}

}  // namespace bethany
