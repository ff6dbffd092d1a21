#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sim/base/ids.h"
#include "sim/base/time.h"
#include "sim/cost/step_timer.h"
#include "sim/model/run_record.h"
#include "sim/training/planner.h"

namespace bethany {

/// The next instant at which the trace takes members, counted from the beginning of the work at
/// hand.
struct Threat {
  Duration after{0};
  std::vector<NodeId> nodes;
};

/// One step to be run on the members.
struct StepWork {
  const Configuration& configuration;
  std::int64_t step = 0;                          // the step counter
  std::int64_t first_sample = 0;                  // committed so far
  std::span<const std::int64_t> samples_of_rank;  // of one micro-batch
  std::span<const LayerTraffic> traffic;          // as the simulator dispatches it
  CostBreakdown predicted;
  std::optional<Threat> threat;
};

/// One stage of a start, recovery, restart, join or rebalance.
struct StageWork {
  Stage stage;
  PlanCause cause;
  const Configuration& before;  // the last completed one; without a plan at the first start
  const Configuration& after;
  std::int64_t step = 0;          // the step counter that training goes on with
  std::int64_t first_sample = 0;  // of it
  Duration predicted{0};
  std::optional<Threat> threat;
};

/// A checkpoint write by all members.
struct WriteWork {
  const Configuration& configuration;
  std::int64_t step = 0;  // it covers
  std::int64_t bytes = 0;
  Duration predicted{0};
  std::optional<Threat> threat;
};

/// Real machines under the training job (DESIGN §9): when a run has them, the job takes one step at
/// a time and has everything done for real; it decides as in a simulation, and its clock advances
/// by what the work took. The step timer beside them still tells what was expected: it decides when
/// a checkpoint by time is due.
///
/// Work answers how long it took, or nothing when a threatened loss came first: the work is then
/// undone (a step left no trace in the weights; what was moved does not count), and the job goes on
/// with the loss. What ended later than the loss and was not undone counts as ended just before it.
class Machines {
 public:
  virtual ~Machines() = default;
  /// Runs `work`, which makes the next plan; the planning stage that follows reports its duration.
  virtual void plan(const std::function<void()>& work) = 0;
  virtual std::optional<Duration> step(const StepWork& work) = 0;
  virtual std::optional<Duration> stage(const StageWork& work) = 0;
  virtual std::optional<Duration> write(const WriteWork& work) = 0;
  /// Members were lost: how long until all survivors know.
  virtual Duration detect(const Configuration& configuration, Duration predicted) = 0;
  /// All stages of a change have ended: the members follow the configuration.
  virtual void completed(const Configuration& configuration, PlanCause cause,
                         std::int64_t step) = 0;
  /// What the trace says. Losses may have been carried out already, as the threat they were.
  virtual void lose(std::span<const NodeId> nodes) = 0;
  virtual void join(std::span<const NodeId> nodes) = 0;
};

}  // namespace bethany
