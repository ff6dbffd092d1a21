#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sim/study/sweep/runs_file.h"

namespace bethany {

/// Reads `i/n`, i from 0. Throws InputError when it is not of that form or i is not below n.
Shard parse_shard(const std::string& text);

/// An environment variable's value, or nothing.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// The shard of this process as the launcher's environment tells it. In this order, the innermost
/// launcher first: Open MPI (OMPI_COMM_WORLD_RANK, _SIZE), other MPIs (PMI_RANK, PMI_SIZE), a Slurm
/// job array (SLURM_ARRAY_TASK_ID, _COUNT, _MIN, _STEP), `srun` (SLURM_PROCID, SLURM_NTASKS); one
/// of size 1 counts only when there is no other. Those that tell no count need `count` (0: not
/// given): a Kubernetes Indexed Job (JOB_COMPLETION_INDEX), GNU parallel (PARALLEL_SEQ, from 1).
/// Throws InputError when there is none, a count is missing, or a variable is not a number in its
/// range.
Shard shard_of_environment(const Environment& environment, std::int64_t count);

/// The directory of a shard that finds itself: `DIRECTORY/shard-i-of-n`.
std::string shard_directory(const std::string& directory, const Shard& shard);

}  // namespace bethany
