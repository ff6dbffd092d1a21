#pragma once

#include <functional>
#include <optional>
#include <string>

#include "gpu/fabric/connection.h"

namespace bethany {

/// How a launcher started this process.
struct Launch {
  int rank = 0;
  int ranks = 1;
  int local_rank = 0;             // on its node
  std::optional<Address> master;  // where rank 0 may serve the store
};

/// The value of an environment variable, or nothing.
using Lookup = std::function<std::optional<std::string>(const std::string&)>;

/// Of this process.
std::optional<std::string> environment_variable(const std::string& name);

/// Reads the first of these that is set, innermost launcher first: RANK, WORLD_SIZE, LOCAL_RANK
/// (torchrun); OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK; SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID;
/// PMI_RANK, PMI_SIZE, MPI_LOCALRANKID or PMI_LOCAL_RANK. MASTER_ADDR and MASTER_PORT with any of
/// them. Nothing when no launcher shows: a process alone. An inherited variable of an outer
/// launcher (srun starts one torchrun a node) is no contradiction; SLURM and PMI that disagree are,
/// since either may be the outer one.
/// Throws InputError that names the variable: one of three is missing, not a number, out of range.
std::optional<Launch> launch_from(const Lookup& get);

/// Which of the `devices` (one or more) that this process sees is its own: the one with the number
/// of its rank on the node; the only one where CUDA_VISIBLE_DEVICES shows it just that; with
/// BETHANY_SHARE_GPUS they go round. Throws InputError when there are too few.
int device_of(const Launch& launch, int devices, const Lookup& get);

}  // namespace bethany
