#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/int128.h"
#include "sim/base/statistics.h"
#include "sim/model/run_record.h"
#include "sim/placement/recovery.h"

namespace bethany {

/// `by_losses` covers k = 1..kLossesShown nodes lost at once.
constexpr int kLossesShown = 8;

/// The recoveries of a run, observed and predicted (DESIGN §4.9). Predictions are given uniform
/// victims: every set of k of the nodes is equally likely to be lost.
struct RecoverySummary {
  std::int64_t disruptions = 0;  // = in_place + regroup + restart + none
  std::int64_t in_place = 0;
  std::int64_t regroup = 0;
  std::int64_t restart = 0;
  std::int64_t none = 0;  // not decided by the horizon
  /// Mean over the decided disruptions of P(recover | k lost); empty without any or when unknown.
  std::optional<double> predicted;
  /// [k - 1]: P(recover | k lost), weighted by the time trained under each plan.
  std::optional<std::array<double, kLossesShown>> by_losses;
  std::optional<int> guaranteed_losses_min;  // over the plans of the run
  std::string note;  // what the predictions are given, or why one is missing

  std::int64_t decided() const { return in_place + regroup + restart; }
  /// The share of decided disruptions answered without a restart; empty without any.
  std::optional<double> observed() const;
  /// Its exact 95 % interval (Clopper–Pearson).
  std::optional<Interval> observed_interval() const;
};

/// Survival of plans with the same nodes and minimal host sets: nothing else matters for it. The
/// curve is computed when first asked for.
class PlanRecovery {
 public:
  /// Requires: sets as minimal_host_sets() gives them, none of them empty.
  PlanRecovery(int nodes, std::vector<HostSet> host_sets);

  /// P(every expert of every layer keeps a live replica | k of the nodes lost, uniform); 0 beyond
  /// the number of nodes; empty when the plan is beyond the exact method (recovery_curve()).
  std::optional<double> probability(int lost);
  /// The largest k with P = 1: one less than the smallest host set.
  int guaranteed_losses() const { return static_cast<int>(host_sets_.front().size()) - 1; }
  int nodes() const { return nodes_; }
  const std::vector<HostSet>& host_sets() const { return host_sets_; }

 private:
  int nodes_;
  std::vector<HostSet> host_sets_;  // smallest first
  bool too_large_ = false;
  std::vector<double> curve_;
};

/// Keeps the survival of the kCachedPlans newest kinds of plan: a run has hundreds of plans that
/// are equal in what matters. For one thread.
class RecoveryCache {
 public:
  static constexpr std::size_t kCachedPlans = 64;

  /// Requires: a plan.
  std::shared_ptr<PlanRecovery> find(const std::shared_ptr<const PlacementPlan>& plan);
  /// How many survivals were set up so far; all other calls found theirs.
  std::int64_t misses() const { return misses_; }

 private:
  /// A job makes few different plan objects in a row: these are known by address.
  static constexpr std::size_t kRecentPlans = 16;

  std::shared_ptr<PlanRecovery> find_by_content(const PlacementPlan& plan);

  std::deque<std::shared_ptr<PlanRecovery>> newest_first_;
  std::deque<std::pair<std::shared_ptr<const PlacementPlan>, std::shared_ptr<PlanRecovery>>>
      recent_;
  std::int64_t misses_ = 0;
};

/// Computes a RecoverySummary in one pass. Memory does not grow with the run.
class RecoveryFold {
 public:
  /// `cache` outlives the fold.
  explicit RecoveryFold(RecoveryCache* cache) : cache_(cache) {}

  void started(bool recovers_in_place) { recovers_in_place_ = recovers_in_place; }
  void disruption() { ++counts_.disruptions; }
  void decided(Recovery recovery, int lost);
  void configured(const std::shared_ptr<const PlacementPlan>& plan);
  void trained(Duration time) { trained_ns_ += time.count(); }
  RecoverySummary summary() const;

 private:
  using Weighted = std::array<Int128, kLossesShown>;
  void close_plan();

  RecoveryCache* cache_;
  bool recovers_in_place_ = false;
  RecoverySummary counts_;
  double predicted_sum_ = 0;
  Weighted weighted_{};     // Σ over closed plans of time trained in ns × P(k) in 2^-60
  Int128 weighted_ns_ = 0;  // Σ of the times
  std::optional<int> guaranteed_min_;
  bool configured_ = false;
  std::shared_ptr<PlanRecovery> plan_;  // in force; null: the job made none
  Int128 trained_ns_ = 0;               // under it
  std::string unknown_predicted_;       // why; empty: known
  std::string unknown_by_losses_;
};

}  // namespace bethany
