#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "analysis/recovery_fold.h"
#include "sim/base/digest.h"
#include "sim/base/time.h"
#include "sim/model/ledger.h"
#include "sim/model/run_record.h"

namespace bethany {

/// What one run came to, in whole numbers. Rates, shares and cost are metrics over it
/// (analysis/metric.h); what each means stands in analysis/README.md.
struct RunSummary {
  std::string policy;
  bool is_bound = false;  // an upper bound such as `ideal`, nothing that can be chosen
  bool feasible = true;
  std::string reason;  // why it is not feasible; nothing below counts then
  Duration horizon{0};
  std::int64_t tokens_per_sample = 0;
  std::int64_t samples = 0;            // committed and kept
  std::int64_t samples_discarded = 0;  // committed, then rolled back
  std::int64_t steps_committed = 0;    // kept
  std::int64_t steps_discarded = 0;    // committed, then rolled back
  Duration kept_step_time{0};          // wall time of the kept steps
  Duration discarded_step_time{0};     // wall time of the steps rolled back
  RecoverySummary recovery;
  Ledger ledger;
  std::optional<double> usd_per_node_hour;
  std::string digest;  // 16 hex digits over the integer outputs

  std::int64_t tokens() const { return samples * tokens_per_sample; }
  std::int64_t tokens_discarded() const { return samples_discarded * tokens_per_sample; }
};

/// The summary of a policy that has no run in a scenario.
RunSummary infeasible_run(std::string policy, std::string reason);

struct SummaryOptions {
  std::optional<double> usd_per_node_hour;
  /// Survival of plans, shared with other folds of the same thread; null: one of its own.
  std::shared_ptr<RecoveryCache> recovery_cache;
};

/// Computes a RunSummary from the facts of one run, in one pass, in memory that does not grow with
/// the run. The result does not depend on how equal steps were grouped into facts.
class SummaryFold final : public RunSink {
 public:
  explicit SummaryFold(SummaryOptions options = {});
  void take(const RunEvent& event) override;
  bool ended() const { return ended_; }
  /// Requires: ended().
  const RunSummary& summary() const;

 private:
  void take_fact(const RunStarted& fact);
  void take_fact(const StepsCommitted& fact);
  void take_fact(const RoundsCommitted& fact);
  void take_fact(const StepDiscarded& fact);
  void take_fact(const StageEnded& fact);
  void take_fact(const DisruptionBegan& fact);
  void take_fact(const RecoveryDecided& fact);
  void take_fact(const RolledBack& fact);
  void take_fact(const ConfigurationCompleted& fact);
  void take_fact(const RunEnded& fact);
  // What happened to nodes, waits and checkpoints is counted where it changes steps or recoveries.
  void take_fact(const NodesJoined&) {}
  void take_fact(const NodesLost&) {}
  void take_fact(const SpeedChanged&) {}
  void take_fact(const WaitBegan&) {}
  void take_fact(const CheckpointUsable&) {}

  void committed(std::int64_t steps, std::int64_t samples, Duration step_time);
  void add_to_digest(const ConfigurationCompleted& fact);
  void add_totals_to_digest();

  RunSummary summary_;
  std::shared_ptr<RecoveryCache> cache_;
  RecoveryFold recovery_;
  Digest digest_;
  bool ended_ = false;
};

}  // namespace bethany
