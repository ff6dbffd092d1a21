#include "tests/property/naive_cluster.h"

#include <algorithm>

namespace bethany {

NodeSet without(NodeSet nodes, const NodeSet& others) {
  for (const NodeId node : others) nodes.erase(node);
  return nodes;
}

SimTime NaiveCluster::next_instant(SimTime now) const {
  const Duration period = trace_.end.time_since_epoch();
  SimTime next = kNever;
  for (const TraceEvent& event : trace_.events) {
    const SimTime time = event.time + pass_ * period;
    if (time > now) next = std::min(next, time);
  }
  if (scenario_.at_end == AtEnd::repeat) next = std::min(next, at((pass_ + 1) * period));
  for (const auto& [node, ready_at] : ready_at_) {
    if (ready_at > now) next = std::min(next, ready_at);
  }
  for (const auto& [node, since] : too_slow_since_) {
    const SimTime ends = since + rule_.patience();
    if (ends > now) next = std::min(next, ends);
  }
  return next;
}

NodeSet NaiveCluster::act(SimTime now) {
  now_ = now;
  const bool first = now == at(Duration(0));
  NodeSet before;
  for (const auto& [node, ready_at] : ready_at_) before.insert(node);
  NodeSet there = before;
  NodeSet hit;
  const SimTime trace_time = now - pass_ * trace_.end.time_since_epoch();
  // The events of the trace's start happen once; a repetition goes to the nodes they left.
  if (first || trace_time > at(Duration(0))) {
    read_events(trace_time, there, hit);
    read_speeds(trace_time);
  }
  if (first) {
    there_at_start_ = there;
    speeds_at_start_ = speeds_;
  }
  if (scenario_.at_end == AtEnd::repeat && trace_time == trace_.end) start_again(there, hit);

  NodeSet lost;
  for (const NodeId node : before) {
    if (hit.count(node) == 0) continue;
    lost.insert(node);
    ready_at_.erase(node);
  }
  for (const NodeId node : there) {
    if (ready_at_.count(node) != 0) continue;
    ready_at_[node] = first ? now : now + scenario_.cluster.startup_delay;
  }
  judge_speeds(lost);
  return lost;
}

/// After a join, a loss or `normal` a machine has its full speed.
void NaiveCluster::read_speeds(SimTime trace_time) {
  for (const TraceEvent& event : trace_.events) {
    if (event.time != trace_time || event.kind == TraceEventKind::notice) continue;
    for (const NodeId node : trace_.nodes_of(event)) {
      speeds_.erase(node);
      if (event.kind == TraceEventKind::slow) speeds_[node] = event.factor;
    }
  }
}

/// Since when machines have been too slow; what happened within one instant does not count, but a
/// machine that was lost and is back is another one.
void NaiveCluster::judge_speeds(const NodeSet& lost) {
  for (const NodeId node : lost) too_slow_since_.erase(node);
  std::map<NodeId, SimTime> since;
  for (const auto& [node, speed] : speeds_) {
    if (!rule_.too_slow(speed)) continue;
    const auto known = too_slow_since_.find(node);
    since[node] = known == too_slow_since_.end() ? now_ : known->second;
  }
  too_slow_since_ = since;
}

double NaiveCluster::speed(NodeId node) const {
  const auto slow = speeds_.find(node);
  return slow == speeds_.end() ? 1 : slow->second;
}

double NaiveCluster::slowest_of(const NodeSet& nodes) const {
  double slowest = 1;
  for (const NodeId node : nodes) slowest = std::min(slowest, speed(node));
  return slowest;
}

std::vector<NodeId> NaiveCluster::overdue_of(const NodeSet& nodes) const {
  std::vector<NodeId> line;
  for (const NodeId node : nodes) {
    const auto since = too_slow_since_.find(node);
    if (since == too_slow_since_.end() || since->second + rule_.patience() > now_) continue;
    line.push_back(node);
  }
  std::stable_sort(line.begin(), line.end(),
                   [this](NodeId a, NodeId b) { return speed(a) < speed(b); });
  return line;
}

void NaiveCluster::read_events(SimTime trace_time, NodeSet& there, NodeSet& hit) const {
  for (const TraceEvent& event : trace_.events) {
    if (event.time != trace_time) continue;
    for (const NodeId node : trace_.nodes_of(event)) {
      if (event.kind == TraceEventKind::join) there.insert(node);
      if (event.kind != TraceEventKind::lost) continue;
      there.erase(node);
      hit.insert(node);
    }
  }
}

void NaiveCluster::start_again(NodeSet& there, NodeSet& hit) {
  const NodeSet at_end = there;
  for (const NodeId node : at_end) {
    if (there_at_start_.count(node) != 0) continue;
    there.erase(node);
    hit.insert(node);
  }
  for (const NodeId node : there_at_start_) there.insert(node);
  speeds_ = speeds_at_start_;
  ++pass_;
}

NodeSet NaiveCluster::ready() const {
  NodeSet nodes;
  for (const auto& [node, ready_at] : ready_at_) {
    if (ready_at <= now_) nodes.insert(node);
  }
  return nodes;
}

}  // namespace bethany
