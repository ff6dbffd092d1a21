#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sim/engine/simulator.h"
#include "sim/training/books.h"
#include "sim/training/job.h"
#include "sim/training/machines.h"
#include "sim/training/planner.h"
#include "sim/training/roster.h"
#include "sim/training/speeds.h"
#include "sim/training/trace_cursor.h"

namespace bethany {

// The phases of one instant (DESIGN §4.1).
inline constexpr int kWorkEnds = 0;
inline constexpr int kTraceSpeaks = 1;
inline constexpr int kTimersEnd = 2;
inline constexpr int kJobDecides = 3;

// Events of the job, by phase.
struct WorkEnded {};                                    // 0: steps, a checkpoint write or a stage
struct TraceSpeaks {};                                  // 1
struct NodesReady {                                     // 1: startup delays are over
  std::vector<std::pair<NodeId, std::uint32_t>> nodes;  // with their incarnations
};
struct DetectionOver {};  // 2
struct GatherOver {};     // 2
struct PatienceOver {     // 2: the node has been too slow since then
  NodeId node;
  SimTime since;
};
struct Decide {};  // 3
using JobEvent = std::variant<WorkEnded, TraceSpeaks, NodesReady, DetectionOver, GatherOver,
                              PatienceOver, Decide>;

/// The training job as a state machine; README.md has its rules. `job.cpp` holds what happens to
/// it (phases 0 to 2), `job_decisions.cpp` what it does (phase 3).
class Job {
 public:
  Job(const JobInput& input, RunSink& sink);
  RunOutcome run();

 private:
  enum class State { waiting, starting, training, detecting, changing };

  /// What members are doing: equal steps, equal rounds of steps and a checkpoint write, a write, or
  /// a stage of a start, recovery, restart, join or rebalance.
  struct Work {
    enum class Kind { none, steps, rounds, write, stage };
    Kind kind = Kind::none;
    SimTime from{};
    SimTime to{};
    std::int64_t count = 0;  // steps, or rounds
    Duration step_time{0};
    std::int64_t steps = 0;  // of one round
    Duration write_time{0};  // of one round
    Stage stage = Stage::planning;
    Blocked bucket = Blocked::start;
    EventHandle handle{};
  };

  /// What the step boundary at hand has seen; the end of a change is no boundary.
  enum class Boundary { none, step_end, write_end };

  struct PlannedStage {
    Stage stage;
    Blocked bucket;
    Duration time;
  };

  struct Loss {
    int members = 0;
    int configured = 0;  // of them, in the last completed configuration
  };

  void handle(const WorkEnded&);
  void handle(const TraceSpeaks&);
  void handle(const NodesReady& ready);
  void handle(const DetectionOver&);
  void handle(const GatherOver&);
  void handle(const PatienceOver& over);
  void handle(const Decide&);

  void schedule_trace();
  void request_decision(SimTime now);
  void check_for_cycle(SimTime now);
  std::uint64_t state_digest(SimTime now) const;
  std::string never_finishes() const;
  void lose_members(const Loss& loss);
  Duration detection_time();
  void change_speeds(const TraceInstant& instant);

  void begin_work(Work work);
  /// The same done for real: the work lasts as long as the machines took, or is cut by `threat`.
  void begin_performed(Work work, const std::optional<Duration>& took,
                       const std::optional<Threat>& threat);
  std::optional<Threat> threat() const;
  void unroll_rounds(SimTime now);
  void cut_work(int nodes);
  std::int64_t steps_done_in_flight(SimTime now) const;
  void shorten_steps();
  void commit_steps(SimTime from, std::int64_t count, Duration step_time);
  void commit_rounds(SimTime from, std::int64_t rounds, const Work& work);
  void end_stage(const Work& stage, SimTime now, bool completed);
  void book_detection(SimTime now, int nodes, bool completed);
  void checkpoint_usable(SimTime now);
  void finish(SimTime horizon);
  int acting_nodes() const { return acting_nodes_ >= 0 ? acting_nodes_ : roster_.members(); }

  /// What a change does with nodes.
  enum class Takes {
    all_ready,   // a start or restart: the lowest ids; state comes from storage
    admissible,  // a join, or a recovery that takes idle nodes: members keep what they hold
    survivors,   // a regroup: members that survived
  };

  void take_nodes(Takes takes);
  void try_to_begin(SimTime now);
  void begin_first_start();
  void begin_recovery(SimTime now);
  void begin_join(bool by_restart);
  bool begin_rebalance();
  bool configure(bool keeps_state);
  void begin_change(PlanCause cause, std::vector<PlannedStage> stages);
  void begin_next_stage();
  void complete_change();
  std::vector<PlannedStage> reconfiguration_stages(std::optional<Blocked> bucket) const;
  std::vector<PlannedStage> restart_stages(bool first) const;
  int nodes_after_join() const;
  std::vector<NodeId> members_to_dismiss();
  std::vector<SlowPlace> slow_members() const;
  void update_candidates(SimTime now);
  void go_on_training(SimTime now);
  bool checkpoint_is_due(SimTime now) const;
  void begin_write(SimTime now);
  bool wants_other_members() const { return gathered_ || !leaving_.empty(); }
  bool join_is_due(bool after_write) const;
  bool rebalance_is_due();
  void begin_steps(SimTime now);
  void perform_step();
  std::int64_t steps_until_rebalance() const;
  std::int64_t steps_until_checkpoint(SimTime now, Duration step_time) const;
  CheckpointDue checkpoint_due() const;

  const JobInput& input_;
  RunSink& sink_;
  Planner planner_;
  TraceCursor cursor_;
  Roster roster_;
  Speeds speeds_;
  Books books_;
  Simulator<JobEvent> simulator_;

  SimTime horizon_ = kNever;
  std::optional<std::int64_t> samples_wanted_;
  bool reached_ = false;
  std::optional<std::string> failure_;
  std::int64_t repetitions_seen_ = 0;
  std::uint64_t anchor_ = 0;    // the state at the start of an earlier repetition
  std::int64_t best_step_ = 0;  // the highest step counter at the start of a repetition
  std::int64_t repetition_of_best_ = 0;

  State state_ = State::waiting;
  bool decision_requested_ = false;
  bool wait_announced_ = false;
  bool started_ = false;  // a first start has completed
  Work work_;
  Boundary boundary_ = Boundary::none;
  int acting_nodes_ = -1;  // overrides the member count while a loss is booked

  Configuration current_;  // the last completed one
  Configuration pending_;  // what the stages in flight lead to
  PlanCause pending_cause_ = PlanCause::start;
  std::vector<PlannedStage> stages_;  // not yet begun, the next one last
  std::int64_t plan_checked_at_ = 0;  // the step counter of the last plan change or check
  SimTime usable_since_;              // of the last usable checkpoint

  SimTime detecting_since_;
  bool detection_over_ = false;
  bool disruption_open_ = false;
  std::int64_t disruptions_ = 0;
  int lost_since_completed_ = 0;  // nodes of the last completed configuration
  int lost_when_detected_ = 0;    // the same when detection ended

  std::optional<Duration> wait_;  // how long candidates gather
  bool gathering_ = false;
  bool gathered_ = false;
  EventHandle gather_handle_{};
  SimTime gather_over_at_{};

  bool speed_changed_ = false;   // of a member, in this instant
  std::vector<NodeId> leaving_;  // members that go at the next boundary
};

}  // namespace bethany
