#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "sim/base/registry.h"
#include "sim/base/time.h"
#include "sim/model/run_record.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The time-dependent parts of a policy. Each is pure: a view in, a decision out.

/// What a checkpoint rule may look at, just after a checkpoint became usable or before a step.
struct CheckpointView {
  std::int64_t covered_step = 0;  // by the last usable checkpoint
  SimTime usable_since;           // of that checkpoint
  Duration write_time{0};         // of the next one
};

/// A checkpoint is due at the first step boundary with the counter at `step` or the clock at
/// `time`.
struct CheckpointDue {
  std::int64_t step = std::numeric_limits<std::int64_t>::max();
  SimTime time = kNever;
};

/// When to write checkpoints.
class CheckpointRule {
 public:
  virtual ~CheckpointRule() = default;
  /// Ensures: shift-invariant (the same view later gives the same distance), so that equal rounds
  /// of steps and a write can be advanced in one go.
  virtual CheckpointDue next(const CheckpointView& view) const = 0;
};

/// What is known when a disruption is answered. The nodes meant are those that a recovery without a
/// restart may take: see OnLoss::takes_idle_nodes().
struct LossView {
  bool state_complete = false;  // every expert of every layer keeps a replica on one of them
  int nodes = 0;
  int minimum_nodes = 1;  // fewer make no training set
};

/// How a loss of members is answered.
class OnLoss {
 public:
  virtual ~OnLoss() = default;
  virtual Capabilities capabilities() const { return {}; }
  /// Whether the policy can ever go on without a restart; joins follow the same way.
  virtual bool recovers_in_place() const = 0;
  /// Whether a recovery without a restart takes all ready nodes, or only members that survived.
  virtual bool takes_idle_nodes() const { return true; }
  /// Whether survivors that such a recovery leaves out come back with the next join of other nodes,
  /// or only with a restart.
  virtual bool readmits_left_out() const { return true; }
  virtual Recovery decide(const LossView& view) const = 0;
};

/// When to make a new plan for the same members.
class RebalanceRule {
 public:
  virtual ~RebalanceRule() = default;
  /// Committed steps after the last plan change; empty: never.
  virtual std::optional<std::int64_t> every_steps() const = 0;
};

/// When ready nodes are admitted while the job trains.
class MembershipRule {
 public:
  virtual ~MembershipRule() = default;
  /// How long candidates gather from the first one on; empty: they only join with a restart or
  /// recovery.
  virtual std::optional<Duration> wait() const = 0;
};

/// What an announced loss changes.
class NoticeRule {
 public:
  virtual ~NoticeRule() = default;
};

Registry<CheckpointRule>& checkpoint_rules();
Registry<OnLoss>& on_loss_parts();
Registry<RebalanceRule>& rebalance_rules();
Registry<MembershipRule>& membership_rules();
Registry<NoticeRule>& notice_rules();

}  // namespace bethany
