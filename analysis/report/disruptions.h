#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "analysis/report/counted_values.h"
#include "sim/model/run_record.h"

namespace bethany {

constexpr std::size_t kRecoveryCount = 4;  // kinds of Recovery
constexpr std::size_t kStageCount = 9;     // kinds of Stage

/// What losses cost a run, in memory that does not grow with it.
struct Disruptions {
  /// From a loss to the next step. A loss met before that step belongs to the same recovery, which
  /// counts under the last decision.
  struct Recovered {
    CountedValues time_ns;
    std::array<Duration, kStageCount> stages{};  // sums, by Stage
    Duration waiting{0};                         // sum of what is no stage
  };
  std::array<Recovered, kRecoveryCount> by_outcome;  // by Recovery
  std::int64_t unfinished = 0;                       // 1 when the run ended in a recovery
  /// By disruption: the step in flight and what was rolled back for it.
  CountedValues lost_node_ns;
  CountedValues lost_samples;
  /// Discarded without a loss: by a restart for joined nodes, or at the end of the run.
  Int128 other_node_ns = 0;
  std::int64_t other_samples = 0;
  CountedValues step_time_ns;  // of committed steps, kept or not

  std::int64_t recoveries() const;
  /// Their times, whatever the outcome.
  CountedValues time_ns() const;
};

/// Computes Disruptions in one pass.
class DisruptionFold final : public RunSink {
 public:
  void take(const RunEvent& event) override;
  const Disruptions& disruptions() const { return result_; }

 private:
  struct Lost {
    Int128 node_ns = 0;
    std::int64_t samples = 0;
  };

  void take_fact(const StepsCommitted& fact);
  void take_fact(const RoundsCommitted& fact);
  void take_fact(const StepDiscarded& fact);
  void take_fact(const StageEnded& fact);
  void take_fact(const DisruptionBegan& fact);
  void take_fact(const RecoveryDecided& fact) { outcome_ = fact.recovery; }
  void take_fact(const RolledBack& fact);
  void take_fact(const RunEnded& fact);
  template <class Other>
  void take_fact(const Other&) {}

  void step_begins(SimTime time);
  void end_disruption();
  void set_in_flight_aside();

  Disruptions result_;
  std::optional<SimTime> lost_at_;  // first loss that has not been recovered from
  Recovery outcome_ = Recovery::none;
  std::array<Duration, kStageCount> stages_{};  // since then
  std::optional<Lost> lost_;                    // by the newest disruption
  std::optional<StepDiscarded> in_flight_;      // discarded; a disruption may follow
};

/// The plans before and after the recovery in place that moved most state.
struct PlanChange {
  SimTime time;
  std::shared_ptr<const PlacementPlan> before;
  std::shared_ptr<const PlacementPlan> after;
  std::vector<NodeId> machines_before;  // by place
  std::vector<NodeId> machines_after;
  std::set<NodeId> lost;  // machines lost since `before` was completed
  TransferSummary transfer;
};

/// Keeps that change; the first one of several that moved as much.
class PlanChangeFold final : public RunSink {
 public:
  void take(const RunEvent& event) override;
  const std::optional<PlanChange>& change() const { return change_; }

 private:
  std::optional<PlanChange> change_;
  std::shared_ptr<const PlacementPlan> plan_;
  std::vector<NodeId> machines_;
  std::set<NodeId> lost_;
};

}  // namespace bethany
