#pragma once

#include <map>
#include <optional>
#include <vector>

#include "sim/study/setup.h"
#include "sim/training/trace_cursor.h"

namespace bethany {

/// A stretch of time in which the same nodes are ready.
struct Stretch {
  SimTime from;
  SimTime to;
  int alive = 0;
  int ready = 0;
  int kept = 0;  // of the ready ones, those that were ready in the stretch before
};

/// Walks a setup's trace and says who is ready, stretch by stretch: a machine that joins after time
/// 0 is ready `cluster.startup_delay` later.
class ReadyNodes {
 public:
  /// `setup` outlives it.
  ReadyNodes(const Setup& setup, SimTime horizon);
  /// The next stretch, never of no length; empty when the horizon is reached.
  std::optional<Stretch> next();

 private:
  SimTime next_change() const;
  void advance();
  void lose(NodeId node);

  TraceCursor cursor_;
  SimTime horizon_;
  Duration delay_;
  std::vector<SimTime> ready_at_;    // by NodeId, of those that are there
  std::map<SimTime, int> starting_;  // how many become ready when
  SimTime now_;
  int alive_ = 0;
  int ready_ = 0;
  int kept_ = 0;
};

}  // namespace bethany
