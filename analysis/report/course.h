#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/base/int128.h"
#include "sim/model/run_record.h"

namespace bethany {

/// The time of a run cut into equal bins from 0; the last one may reach beyond the end.
struct TimeBins {
  Duration width{1};
  std::size_t count = 0;

  SimTime begin(std::size_t bin) const { return at(static_cast<std::int64_t>(bin) * width); }
};

/// Bins of a length that people read easily (1, 2, 5, 10, 15, 30 s, …), at most `most` of them.
/// Requires: 0 <= horizon <= kLongest, most > 0.
TimeBins time_bins(Duration horizon, std::size_t most);

/// What happened when, in series that do not grow with the run.
struct Course {
  /// Losses and joins of the trace, those at one instant together; not what stood there at time 0.
  struct Change {
    SimTime time;
    std::int64_t nodes = 0;
    std::string cause;  // of the first loss
  };
  /// Samples that counted before and after a rollback.
  struct Drop {
    SimTime time;
    std::int64_t before = 0;
    std::int64_t after = 0;
  };
  static constexpr std::size_t kMostKept = 500;  // of each of the lists below; others are counted

  TimeBins bins;
  std::vector<std::int64_t> committed;  // samples by bin, kept or not
  std::vector<std::int64_t> undone;     // samples rolled back in the bin
  std::vector<Int128> member_ns;        // node time of members
  std::vector<Int128> live_ns;          // node time of machines, members or not
  std::vector<Change> losses;
  std::vector<Change> joins;
  std::vector<Drop> drops;
  std::int64_t losses_left_out = 0;  // instants
  std::int64_t joins_left_out = 0;
  std::int64_t drops_left_out = 0;

  /// Samples that count, at the begin of each bin and at the end of the last.
  std::vector<std::int64_t> net_at_edges() const;
};

/// Computes a Course in one pass. Samples are spread evenly over the steps that made them, whole
/// ones to the bin in which they are complete, so that all sums are exact.
class CourseFold final : public RunSink {
 public:
  explicit CourseFold(const TimeBins& bins);
  void take(const RunEvent& event) override;
  const Course& course() const { return line_; }

 private:
  void take_fact(const NodesJoined& fact);
  void take_fact(const NodesLost& fact);
  void take_fact(const StepsCommitted& fact);
  void take_fact(const RoundsCommitted& fact);
  void take_fact(const StepDiscarded& fact) { members(fact.from, fact.to, fact.nodes); }
  void take_fact(const StageEnded& fact) { members(fact.from, fact.to, fact.nodes); }
  void take_fact(const RolledBack& fact);
  void take_fact(const RunEnded& fact) { live_until(fact.horizon); }
  template <class Other>
  void take_fact(const Other&) {}

  std::size_t bin_at(SimTime time) const;
  void commit(SimTime from, SimTime to, std::int64_t samples, Duration all,
              const std::function<Duration(SimTime)>& stepped);
  void members(SimTime from, SimTime to, int nodes);
  void live_until(SimTime time);

  Course line_;
  std::int64_t net_ = 0;
  std::int64_t live_ = 0;
  SimTime live_since_;
  SimTime newest_loss_ = kNever;
  SimTime newest_join_ = kNever;
};

}  // namespace bethany
