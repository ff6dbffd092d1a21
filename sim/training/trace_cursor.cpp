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
      speed_(trace.node_names.size(), 1),
      before_(trace.node_names.size()) {
  BETHANY_CHECK(trace.start == SimTime(), "a replayed trace starts at 0");
  if (repeat_) BETHANY_CHECK(trace.end > trace.start, "an empty trace cannot be repeated");
  // The first instant is played once here to know the state that a repetition goes back to.
  for (const auto& event : trace.events) {
    if (event.time != SimTime()) break;
    apply(event);
  }
  for (std::size_t i = 0; i < alive_.size(); ++i) {
    if (alive_[i]) initial_.emplace_back(NodeId(static_cast<std::int32_t>(i)), speed_[i]);
  }
  alive_.assign(alive_.size(), false);
  speed_.assign(speed_.size(), 1);
  before_.assign(before_.size(), 0);
}

SimTime TraceCursor::next_time() const {
  if (next_event_ < trace_.events.size()) return trace_.events[next_event_].time + offset_;
  return repeat_ ? trace_.end + offset_ : kNever;
}

std::pair<SimTime, std::vector<NodeId>> TraceCursor::next_loss(
    const std::function<bool(NodeId)>& watched) const {
  SimTime when = kNever;
  std::vector<NodeId> nodes;
  for (std::size_t i = next_event_; i < trace_.events.size(); ++i) {
    const TraceEvent& event = trace_.events[i];
    if (!nodes.empty() && event.time + offset_ != when) break;
    if (event.kind != TraceEventKind::lost) continue;
    for (const auto node : trace_.nodes_of(event)) {
      if (!watched(node)) continue;
      when = event.time + offset_;
      nodes.push_back(node);
    }
  }
  return {when, std::move(nodes)};
}

/// The bits of a node that something happens to in this instant.
std::uint8_t& TraceCursor::touch(NodeId node) {
  auto& bits = before_[node.index()];
  if ((bits & kTouched) == 0) {
    bits = kTouched;
    if (alive_[node.index()]) bits |= kWasAlive;
    touched_.emplace_back(node, speed_[node.index()]);
  }
  return bits;
}

void TraceCursor::apply(const TraceEvent& event) {
  if (event.kind == TraceEventKind::notice) return;
  for (const auto node : trace_.nodes_of(event)) {
    auto& bits = touch(node);
    // Whatever else is said of a node, it works at full speed.
    speed_[node.index()] = event.kind == TraceEventKind::slow ? event.factor : 1;
    if (event.kind == TraceEventKind::lost) {
      bits |= kWasLost;
      if (instant_.cause.empty()) instant_.cause = trace_.causes[event.cause];
      alive_[node.index()] = false;
    } else if (event.kind == TraceEventKind::join) {
      alive_[node.index()] = true;
    }
  }
}

void TraceCursor::wrap() {
  ++repetitions_;
  offset_ += trace_.end - trace_.start;
  std::vector<double> at_start(alive_.size());  // speeds; 0: not there
  for (const auto& [node, speed] : initial_) at_start[node.index()] = speed;
  for (std::size_t i = 0; i < alive_.size(); ++i) {
    const bool there = at_start[i] > 0;
    const double speed = there ? at_start[i] : 1;
    if (alive_[i] == there && speed_[i] == speed) continue;
    auto& bits = touch(NodeId(static_cast<std::int32_t>(i)));
    if (alive_[i] && !there) bits |= kWasLost;
    alive_[i] = there;
    speed_[i] = speed;
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
  instant_.speeds.clear();
  instant_.cause = {};
  touched_.clear();
  for (; next_event_ < trace_.events.size() && trace_.events[next_event_].time + offset_ == time;
       ++next_event_) {
    apply(trace_.events[next_event_]);
  }
  if (repeat_ && next_event_ == trace_.events.size() && trace_.end + offset_ == time) wrap();
  for (const auto& [node, speed_before] : touched_) {
    const auto bits = before_[node.index()];
    const bool was_alive = (bits & kWasAlive) != 0;
    const bool alive = alive_[node.index()];
    if (was_alive && (bits & kWasLost) != 0) instant_.lost.push_back(node);
    const bool joined = alive && (!was_alive || (bits & kWasLost) != 0);
    if (joined) instant_.joined.push_back(node);
    const double speed = speed_[node.index()];
    if (alive && speed != (joined ? 1 : speed_before)) instant_.speeds.emplace_back(node, speed);
    before_[node.index()] = 0;
  }
  return instant_;
}

}  // namespace bethany
