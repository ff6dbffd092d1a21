#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/model/scenario.h"
#include "sim/model/trace.h"

namespace bethany {

/// What changes at one instant, net: a node lost and joined again is in both lists.
struct TraceInstant {
  SimTime time;
  std::vector<NodeId> lost;
  std::vector<NodeId> joined;                     // at full speed unless said below
  std::vector<std::pair<NodeId, double>> speeds;  // of live nodes: new ones, 1 is full speed
  std::string_view cause;                         // of the first loss
};

/// Walks a trace instant by instant, again and again with AtEnd::repeat.
class TraceCursor {
 public:
  /// `trace` outlives the cursor. Requires: it starts at 0.
  TraceCursor(const Trace& trace, AtEnd at_end);

  /// The time of the next instant at which something is said; kNever when the trace is over.
  SimTime next_time() const;
  /// The changes of that instant; the lists may be empty. Valid until the next call.
  const TraceInstant& take();
  /// The first instant from the next one on at which the trace takes a node that `watched` is true
  /// of, and those nodes; kNever and none when it does not before its end. What else happens to
  /// them at that instant is not looked at.
  std::pair<SimTime, std::vector<NodeId>> next_loss(
      const std::function<bool(NodeId)>& watched) const;
  /// How often the trace has begun again.
  std::int64_t repetitions() const { return repetitions_; }

 private:
  void apply(const TraceEvent& event);
  void wrap();
  std::uint8_t& touch(NodeId node);

  const Trace& trace_;
  bool repeat_;
  std::size_t next_event_ = 0;
  Duration offset_{0};  // of the current repetition
  std::int64_t repetitions_ = 0;
  std::vector<bool> alive_;
  std::vector<double> speed_;                       // of live nodes; of others 1
  std::vector<std::pair<NodeId, double>> initial_;  // alive after the first instant, with speeds
  TraceInstant instant_;
  // Per node of the current instant: whether it was alive before, and whether it was lost in it.
  std::vector<std::uint8_t> before_;
  std::vector<std::pair<NodeId, double>> touched_;  // with their speeds before
};

}  // namespace bethany
