#include "sim/training/trace_cursor.h"

#include <algorithm>

#include "sim/base/check.h"

namespace bethany {
namespace {

// Bits of TraceCursor::before_.
constexpr std::uint8_t kTouched = 1;
constexpr std::uint8_t kWasAlive = 2;
constexpr std::uint8_t kWasLost = 4;

}  // namespace

TraceCursor::TraceCursor(const Trace& trace, AtEnd at_end)
    : trace_(trace),
      repeat_(at_end == AtEnd::repeat),
      alive_(trace.node_names.size()),
      before_(trace.node_names.size()) {
  BETHANY_CHECK(trace.start == SimTime(), "a replayed trace starts at 0");
  if (repeat_) BETHANY_CHECK(trace.end > trace.start, "an empty trace cannot be repeated");
  std::vector<bool> at_start(alive_.size());
  for (const auto& event : trace.events) {
    if (event.time != SimTime()) break;
    for (const auto node : trace.nodes_of(event)) {
      if (event.kind == TraceEventKind::join) at_start[node.index()] = true;
      if (event.kind == TraceEventKind::lost) at_start[node.index()] = false;
    }
  }
  for (std::size_t i = 0; i < at_start.size(); ++i) {
    if (at_start[i]) initial_.push_back(NodeId(static_cast<std::int32_t>(i)));
  }
}

SimTime TraceCursor::next_time() const {
  if (next_event_ < trace_.events.size()) return trace_.events[next_event_].time + offset_;
  return repeat_ ? trace_.end + offset_ : kNever;
}

void TraceCursor::apply(const TraceEvent& event) {
  if (event.kind != TraceEventKind::join && event.kind != TraceEventKind::lost) return;
  const bool joins = event.kind == TraceEventKind::join;
  for (const auto node : trace_.nodes_of(event)) {
    auto& bits = before_[node.index()];
    if ((bits & kTouched) == 0) {
      bits = kTouched;
      if (alive_[node.index()]) bits |= kWasAlive;
      touched_.push_back(node);
    }
    if (!joins) {
      bits |= kWasLost;
      if (instant_.cause.empty()) instant_.cause = trace_.causes[event.cause];
    }
    alive_[node.index()] = joins;
  }
}

void TraceCursor::wrap() {
  ++repetitions_;
  offset_ += trace_.end - trace_.start;
  std::vector<bool> at_start(alive_.size());
  for (const auto node : initial_) at_start[node.index()] = true;
  for (std::size_t i = 0; i < alive_.size(); ++i) {
    if (alive_[i] == at_start[i]) continue;
    auto& bits = before_[i];
    const NodeId node(static_cast<std::int32_t>(i));
    if ((bits & kTouched) == 0) {
      bits = kTouched;
      if (alive_[i]) bits |= kWasAlive;
      touched_.push_back(node);
    }
    if (alive_[i]) bits |= kWasLost;
    alive_[i] = at_start[i];
  }
  // What the trace says of time 0 is done by now.
  next_event_ = 0;
  while (next_event_ < trace_.events.size() && trace_.events[next_event_].time == SimTime()) {
    ++next_event_;
  }
}

const TraceInstant& TraceCursor::take() {
  const SimTime time = next_time();
  instant_.time = time;
  instant_.lost.clear();
  instant_.joined.clear();
  instant_.cause = {};
  touched_.clear();
  for (; next_event_ < trace_.events.size() && trace_.events[next_event_].time + offset_ == time;
       ++next_event_) {
    apply(trace_.events[next_event_]);
  }
  if (repeat_ && next_event_ == trace_.events.size() && trace_.end + offset_ == time) wrap();
  for (const auto node : touched_) {
    const auto bits = before_[node.index()];
    const bool was_alive = (bits & kWasAlive) != 0;
    if (was_alive && (bits & kWasLost) != 0) instant_.lost.push_back(node);
    if (alive_[node.index()] && (!was_alive || (bits & kWasLost) != 0)) {
      instant_.joined.push_back(node);
    }
    before_[node.index()] = 0;
  }
  return instant_;
}

}  // namespace bethany
