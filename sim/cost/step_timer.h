#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/time.h"
#include "sim/model/plan.h"
#include "sim/model/traffic.h"

namespace bethany {

/// One named part of a duration.
struct CostTerm {
  std::string_view name;  // "dense", "expert", "all_to_all", …
  Duration time{0};
};

/// A duration and what it is made of; the terms sum to the total exactly.
struct CostBreakdown {
  Duration total{0};
  std::vector<CostTerm> terms;
};

/// Everything a step's duration may depend on.
struct StepQuery {
  int nodes = 0;                     // that step (members)
  int ranks = 0;                     // = nodes × GPUs per node
  std::int64_t accumulation = 1;     // micro-batches
  std::int64_t tokens_per_rank = 0;  // of one micro-batch, on the fullest rank
  double slowest = 1;                // speed of the slowest rank: 1 is full speed, never above
  /// The rest is only there when StepTimer::looks_at_traffic().
  const PlacementPlan* plan = nullptr;
  std::span<const LayerTraffic> layers;  // one per MoE layer, of one micro-batch
  std::span<const double> speeds;        // of the ranks, the least is `slowest`; empty: all 1
};

/// What takes `full_speed` at speed 1 takes this at `speed`, rounded once to whole ns; at most
/// kLongest. Requires: 0 < speed <= 1.
inline Duration slowed(Duration full_speed, double speed) {
  BETHANY_CHECK(speed > 0 && speed <= 1, "a speed of {}", speed);
  if (speed == 1) return full_speed;
  const double ns = static_cast<double>(full_speed.count()) / speed;
  const auto longest = static_cast<double>(kLongest.count());
  return ns < longest ? Duration(static_cast<std::int64_t>(ns + 0.5)) : kLongest;
}

/// What a restart reads. Without a plan only the checkpoint's size is known; the rest is 0.
struct LoadQuery {
  int nodes = 0;
  std::int64_t checkpoint_bytes = 0;    // the checkpoint, each byte once
  std::int64_t total_bytes = 0;         // every rank its dense part and its replicas
  std::int64_t busiest_node_bytes = 0;  // of these, by the node that reads most
};

/// Answers every duration the training job asks for. The seam: a cost model answers in simulation,
/// a measurement does on real hardware. Pure: equal questions give equal answers.
class StepTimer {
 public:
  virtual ~StepTimer() = default;

  /// False: step() depends on the node count and the slowest rank alone, so that no plan needs to
  /// be made for it.
  virtual bool looks_at_traffic() const = 0;
  virtual CostBreakdown step(const StepQuery& query) const = 0;

  /// Blocking write of that many bytes by all members together.
  virtual Duration checkpoint_write(std::int64_t bytes, int nodes) const = 0;
  virtual Duration detection() const = 0;

  // Stages of a reconfiguration.
  virtual Duration planning(int nodes) const = 0;
  virtual Duration communicator(int nodes) const = 0;
  virtual Duration transfer(const TransferSummary& summary) const = 0;
  virtual Duration rebalance_communicator(int nodes) const = 0;

  // Stages of a restart.
  virtual Duration reschedule() const = 0;
  virtual Duration process_start() const = 0;
  virtual Duration group_init(int nodes) const = 0;
  virtual Duration load(const LoadQuery& query) const = 0;

  /// Questions outside the range the profile was measured in, so far.
  virtual std::int64_t out_of_range_queries() const { return 0; }
};

}  // namespace bethany
