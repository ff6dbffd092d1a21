#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/base/ids.h"
#include "sim/base/time.h"
#include "sim/model/ledger.h"
#include "sim/model/plan.h"
#include "sim/model/traffic.h"

namespace bethany {

/// What a run did, as facts in the order they happened. The training job emits them, every metric
/// is a fold over them, and `events.jsonl` is them line by line. Node counts are members.

/// What ended a member's blocked time; the bucket says where it is booked.
enum class Stage : std::uint8_t {
  checkpoint_write,
  detection,
  planning,
  communicator,
  transfer,
  reschedule,
  process_start,
  group_init,
  load
};
std::string_view name_of(Stage stage);

/// How a disruption was answered. `none`: not decided by the horizon.
enum class Recovery : std::uint8_t { in_place, regroup, restart, none };
std::string_view name_of(Recovery recovery);

/// Why a configuration was made.
enum class PlanCause : std::uint8_t { start, in_place, regroup, restart, join, rebalance, evict };
std::string_view name_of(PlanCause cause);

struct RunStarted {
  std::string policy;
  bool recovers_in_place = false;  // the policy can go on without a restart
  int target_nodes = 0;
  int gpus_per_node = 1;
  std::int64_t tokens_per_sample = 0;
};

struct NodesJoined {
  SimTime time;
  std::vector<NodeId> nodes;
};

struct NodesLost {
  SimTime time;
  std::vector<NodeId> nodes;
  int members = 0;  // of them
  std::string_view cause;
};

/// From here on these nodes work at `speed` of their full speed; steps that begin later notice.
struct SpeedChanged {
  SimTime time;
  std::vector<NodeId> nodes;
  double speed = 1;
};

/// The job waits for nodes from here until the next stage or step.
struct WaitBegan {
  SimTime time;
  int ready = 0;
  int needed = 0;
};

/// Equal steps, one after the other: from + count · step_time = to.
struct StepsCommitted {
  SimTime from;
  SimTime to;
  std::int64_t first_step = 0;
  std::int64_t count = 0;
  int nodes = 0;
  std::int64_t samples = 0;  // of all of them
  Duration step_time{0};
};

/// Equal rounds of `steps` steps and a checkpoint write, one after the other.
struct RoundsCommitted {
  SimTime from;
  SimTime to;
  std::int64_t first_step = 0;
  std::int64_t rounds = 0;
  std::int64_t steps = 0;  // of one round
  int nodes = 0;
  std::int64_t samples = 0;  // of all rounds
  Duration step_time{0};
  Duration write_time{0};
};

struct StepDiscarded {
  SimTime from;
  SimTime to;
  int nodes = 0;
};

/// A stretch of blocked time. Not completed: cut short by a loss or the horizon; a detection that
/// a further loss reaches is reported in two stretches.
struct StageEnded {
  SimTime from;
  SimTime to;
  Stage stage = Stage::detection;
  Blocked bucket = Blocked::detection;
  int nodes = 0;
  bool completed = true;
};

struct CheckpointUsable {
  SimTime time;
  std::int64_t step = 0;  // the step counter it covers
};

struct DisruptionBegan {
  SimTime time;
  std::int64_t disruption = 0;  // from 0
};

struct RecoveryDecided {
  SimTime time;
  std::int64_t disruption = 0;
  Recovery recovery = Recovery::none;
  int lost = 0;  // nodes of the last completed configuration lost since, up to the end of detection
  int nodes = 0;                // that go on
  bool state_complete = false;  // every expert kept a live replica
};

struct RolledBack {
  SimTime time;
  std::int64_t from_step = 0;
  std::int64_t to_step = 0;
  std::int64_t samples = 0;
  Duration wall_time{0};  // of the undone steps
  Int128 node_ns = 0;
};

/// A plan is in force. `plan` is null when nothing needed one.
struct ConfigurationCompleted {
  SimTime time;
  PlanCause cause = PlanCause::start;
  int nodes = 0;
  std::shared_ptr<const PlacementPlan> plan;
  std::vector<NodeId> machine_of_place;  // empty without a plan
  TransferSummary transfer;
};

struct RunEnded {
  SimTime horizon;
  std::int64_t steps_committed = 0;
  std::int64_t samples = 0;
  Ledger ledger;
};

using RunEvent =
    std::variant<RunStarted, NodesJoined, NodesLost, SpeedChanged, WaitBegan, StepsCommitted,
                 RoundsCommitted, StepDiscarded, StageEnded, CheckpointUsable, DisruptionBegan,
                 RecoveryDecided, RolledBack, ConfigurationCompleted, RunEnded>;

/// Takes the facts of one run, in order.
class RunSink {
 public:
  virtual ~RunSink() = default;
  virtual void take(const RunEvent& event) = 0;
};

}  // namespace bethany
