#include "gpu/fabric/environment.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>
#include <vector>

#include "gpu/fabric/store_frames.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// What a launcher calls its variables.
struct Names {
  std::string rank;
  std::string ranks;
  std::vector<std::string> local_rank;  // the first that is set
};

const std::vector<Names>& launchers() {
  static const std::vector<Names> all = {
      {"RANK", "WORLD_SIZE", {"LOCAL_RANK"}},
      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", {"OMPI_COMM_WORLD_LOCAL_RANK"}},
      {"SLURM_PROCID", "SLURM_NTASKS", {"SLURM_LOCALID"}},
      {"PMI_RANK", "PMI_SIZE", {"MPI_LOCALRANKID", "PMI_LOCAL_RANK"}},
  };
  return all;
}

int number(const std::string& name, const std::string& text, int least, int most) {
  const auto value = whole_number(text);
  if (!value || *value < least || *value > most) {
    throw InputError(
        fmt::format("{}: '{}' is not a whole number in {}..{}", name, text, least, most));
  }
  return static_cast<int>(*value);
}

std::string required(const Lookup& get, const std::string& name, const std::string& set) {
  auto value = get(name);
  if (!value) throw InputError(fmt::format("{}: not set, but {} is", name, set));
  return *value;
}

Launch read(const Names& names, const Lookup& get) {
  Launch launch;
  const auto rank = required(get, names.rank, names.ranks);
  const auto ranks = required(get, names.ranks, names.rank);
  launch.ranks = number(names.ranks, ranks, 1, std::numeric_limits<int>::max());
  launch.rank = number(names.rank, rank, 0, launch.ranks - 1);
  for (const auto& name : names.local_rank) {
    if (const auto value = get(name)) {
      launch.local_rank = number(name, *value, 0, launch.rank);
      return launch;
    }
  }
  required(get, names.local_rank.front(), names.rank);
  return launch;
}

std::optional<Address> master_from(const Lookup& get) {
  const auto host = get("MASTER_ADDR");
  const auto port = get("MASTER_PORT");
  if (!host && !port) return std::nullopt;
  required(get, "MASTER_ADDR", "MASTER_PORT");
  if (host->empty()) throw InputError("MASTER_ADDR: empty");
  const auto text = required(get, "MASTER_PORT", "MASTER_ADDR");
  return Address{*host, number("MASTER_PORT", text, 1, 65535)};
}

/// One job step has one rank for a process, whoever gave it.
void refuse_disagreement(const Names& chosen, const Names& other, const Lookup& get) {
  const auto a = get(chosen.rank);
  const auto b = get(other.rank);
  if (!a || !b || *a == *b) return;
  throw InputError(fmt::format("{} is {} but {} is {}; set RANK, WORLD_SIZE and LOCAL_RANK",
                               chosen.rank, *a, other.rank, *b));
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::optional<Launch> launch_from(const Lookup& get) {
  for (std::size_t i = 0; i < launchers().size(); ++i) {
    const Names& names = launchers()[i];
    // An allocation without a step has SLURM_NTASKS in its shell, and no rank.
    const bool allocation = names.ranks == "SLURM_NTASKS";
    if (!get(names.rank) && (allocation || !get(names.ranks))) continue;
    if (allocation) refuse_disagreement(names, launchers()[i + 1], get);
    Launch launch = read(names, get);
    launch.master = master_from(get);
    return launch;
  }
  return std::nullopt;
}

int device_of(const Launch& launch, int devices, const Lookup& get) {
  if (launch.local_rank < devices) return launch.local_rank;
  if (devices == 1 && get("CUDA_VISIBLE_DEVICES"))
    return 0;  // two that see the same find out later
  if (get("BETHANY_SHARE_GPUS")) return launch.local_rank % devices;
  throw InputError(
      fmt::format("rank {} has local rank {} and its node has {} GPU{}; start one process a GPU",
                  launch.rank, launch.local_rank, devices, devices == 1 ? "" : "s"));
}

}  // namespace bethany
