#pragma once

#include <cstdint>

#include "sim/base/time.h"
#include "sim/model/ledger.h"

namespace bethany {

/// Keeps the ledger of a run and its progress, both net of rollbacks (DESIGN §4.8).
///
/// Places that are no members are booked as time goes by, from their counts; members when what they
/// do ends. Steps after the last usable checkpoint are kept apart, since a restart undoes them.
class Books {
 public:
  explicit Books(int target_nodes) : target_nodes_(target_nodes) {}

  /// How many places are what, from `now` on. Members are the rest of the live nodes.
  struct Counts {
    int live = 0;
    int starting = 0;
    int waiting = 0;
    int spare = 0;
    int stranded = 0;
  };

  /// Books the time since the last call under the counts set then.
  void advance(SimTime now);
  void set_counts(const Counts& counts) { counts_ = counts; }

  void book_blocked(Blocked bucket, int nodes, Duration time);
  void book_step_in_flight(int nodes, Duration time);
  /// `count` steps of `step_time` each, on `nodes`, of `samples` in all.
  void commit_steps(std::int64_t count, Duration step_time, int nodes, std::int64_t samples);
  /// Everything committed so far is safe now.
  void checkpoint_usable() { since_ = {}; }

  /// What a rollback to the last usable checkpoint undoes.
  struct Undone {
    std::int64_t steps = 0;
    std::int64_t samples = 0;
    Duration wall_time{0};
    Int128 node_ns = 0;
  };
  Undone roll_back();

  std::int64_t committed() const { return committed_; }
  std::int64_t covered() const { return committed_ - since_.steps; }
  std::int64_t samples() const { return samples_; }

  /// Completes the ledger at the horizon. Checks that the buckets add up to nodes × horizon.
  const Ledger& close(SimTime horizon);

 private:
  int target_nodes_;
  SimTime booked_until_;
  Counts counts_;
  Ledger ledger_;
  std::int64_t committed_ = 0;  // the step counter
  std::int64_t samples_ = 0;
  Undone since_;  // committed after the last usable checkpoint
};

}  // namespace bethany
