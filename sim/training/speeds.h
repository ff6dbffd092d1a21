#pragma once

#include <map>
#include <optional>

#include "sim/base/digest.h"
#include "sim/base/ids.h"
#include "sim/base/time.h"
#include "sim/policy/parts.h"

namespace bethany {

/// Which live machines work at less than their full speed, and with which of them the policy's
/// patience is over. Memory and costs grow with the number of slow machines.
class Speeds {
 public:
  /// `rule` outlives this.
  explicit Speeds(const StragglerRule& rule) : rule_(rule) {}

  struct Slow {
    double speed = 1;
    std::optional<SimTime> too_slow_since;
    bool overdue = false;  // too slow for as long as the policy has patience
  };

  /// The machine works at `speed` from now on. If it is too slow since now and the policy has
  /// patience with it, returns when that ends: call end_patience() then.
  std::optional<SimTime> set(NodeId node, double speed, SimTime now);
  /// The machine is gone.
  void forget(NodeId node);
  /// The patience that began at `since` is over. False when the machine is not that slow any more.
  bool end_patience(NodeId node, SimTime since);

  bool overdue(NodeId node) const;
  bool any_overdue() const { return overdue_ > 0; }
  /// By id.
  const std::map<NodeId, Slow>& slow() const { return slow_; }

  /// Adds everything that the future of a run depends on, times relative to `now`.
  void add_to(Digest& digest, SimTime now) const;

 private:
  const StragglerRule& rule_;
  std::map<NodeId, Slow> slow_;
  int overdue_ = 0;
};

}  // namespace bethany
