#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sim/model/traffic.h"
#include "sim/training/job.h"

namespace bethany {

/// What the naive reference job asks its StepTimer: `nodes` members, `fixed` costs, so that bytes
/// and plans do not matter.
struct NaiveStage {
  Blocked bucket;
  Duration time;
};

/// reschedule, process_start, group_init and, but for a first start, load.
std::vector<NaiveStage> naive_restart_stages(const JobInput& input, int nodes, bool first);

/// planning, communicator, transfer.
std::vector<NaiveStage> naive_reconfiguration_stages(const JobInput& input, int nodes,
                                                     const TransferSummary& transfer,
                                                     const std::array<Blocked, 3>& buckets);

/// planning, communicator (of a rebalance), transfer.
std::vector<NaiveStage> naive_rebalance_stages(const JobInput& input, int nodes,
                                               const TransferSummary& transfer);

/// `slowest`: the speed of the slowest member.
Duration naive_step_time(const JobInput& input, int nodes, double slowest);
std::int64_t naive_samples_of_step(const JobInput& input, int nodes);

}  // namespace bethany
