#include "sim/study/sweep/shard.h"

#include <fmt/format.h>

#include <charconv>

#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostShards = 1'000'000;

std::int64_t number(const std::string& name, std::string_view text, std::int64_t low,
                    std::int64_t high) {
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size() || value < low || value > high) {
    throw InputError(
        fmt::format("{}={}: expected a whole number in {}..{}", name, text, low, high));
  }
  return value;
}

/// A launcher that tells place and count.
struct Launcher {
  const char* place;
  const char* count;
  const char* first = nullptr;  // the lowest place, when it need not be 0
  const char* step = nullptr;   // between places
};

constexpr Launcher kLaunchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"PMI_RANK", "PMI_SIZE"},
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
     "SLURM_ARRAY_TASK_STEP"},
    {"SLURM_PROCID", "SLURM_NTASKS"},
};

/// A launcher that tells only the place.
struct Counter {
  const char* place;
  std::int64_t first;
};

constexpr Counter kCounters[] = {{"JOB_COMPLETION_INDEX", 0}, {"PARALLEL_SEQ", 1}};

std::optional<Shard> shard_of(const Launcher& launcher, const Environment& environment) {
  const auto place = environment(launcher.place);
  const auto count = environment(launcher.count);
  if (!place || !count) return {};
  const auto optional_number = [&](const char* name, std::int64_t fallback, std::int64_t low) {
    const auto text = name == nullptr ? std::nullopt : environment(name);
    return text ? number(name, *text, low, INT64_MAX) : fallback;
  };
  Shard shard;
  shard.count = number(launcher.count, *count, 1, kMostShards);
  const std::int64_t first = optional_number(launcher.first, 0, 0);
  const std::int64_t step = optional_number(launcher.step, 1, 1);
  const std::int64_t from_first = number(launcher.place, *place, first, INT64_MAX) - first;
  shard.index = from_first / step;
  if (from_first % step != 0 || shard.index >= shard.count) {
    throw InputError(fmt::format("{}={} is no place among {} of {}={}", launcher.place, *place,
                                 shard.count, launcher.count, *count));
  }
  return shard;
}

}  // namespace

Shard parse_shard(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) {
    throw InputError(fmt::format("--shard {}: expected i/n, i from 0, or auto", text));
  }
  const std::string name = "--shard";
  Shard shard;
  shard.count = number(name, std::string_view(text).substr(slash + 1), 1, kMostShards);
  shard.index = number(name, std::string_view(text).substr(0, slash), 0, shard.count - 1);
  return shard;
}

Shard shard_of_environment(const Environment& environment, std::int64_t count) {
  std::optional<Shard> found;
  for (const auto& launcher : kLaunchers) {
    const auto shard = shard_of(launcher, environment);
    if (shard && (!found || (found->count == 1 && shard->count > 1))) found = shard;
  }
  if (found && found->count > 1) {
    if (count != 0 && count != found->count) {
      throw InputError(fmt::format("--shards {}: the launcher started {}", count, found->count));
    }
    return *found;
  }
  for (const auto& counter : kCounters) {
    const auto place = environment(counter.place);
    if (!place) continue;
    if (count == 0) {
      throw InputError(
          fmt::format("--shard auto: {} does not tell how many there are; add "
                      "--shards N",
                      counter.place));
    }
    return {number(counter.place, *place, counter.first, counter.first + count - 1) - counter.first,
            count};
  }
  if (found) return *found;
  throw InputError(
      "--shard auto: no launcher's variables are set (Slurm, Open MPI, PMI, Kubernetes, GNU "
      "parallel); give --shard i/n");
}

std::string shard_directory(const std::string& directory, const Shard& shard) {
  return fmt::format("{}/shard-{}-of-{}", directory, shard.index, shard.count);
}

}  // namespace bethany
