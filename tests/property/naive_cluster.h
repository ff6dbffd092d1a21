#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "sim/base/ids.h"
#include "sim/base/time.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"
#include "sim/policy/parts.h"

namespace bethany {

using NodeSet = std::set<NodeId>;

/// `nodes` but those of `others`.
NodeSet without(NodeSet nodes, const NodeSet& others);

/// The machines of the naive reference job: which are there, which are ready (DESIGN §4.5 rules 1
/// and 10). Requires: a trace that starts at 0.
class NaiveCluster {
 public:
  NaiveCluster(const Scenario& scenario, const Trace& trace, const StragglerRule& rule)
      : scenario_(scenario), trace_(trace), rule_(rule) {}

  /// The next instant after `now` with a trace event, the trace's end when it is repeated, a node
  /// that becomes ready, or patience with a slow one that ends; kNever when there is none.
  SimTime next_instant(SimTime now) const;

  /// Phase 1 of an instant: the trace events as one net batch, then nodes become ready.
  /// Returns the nodes that were there before and are lost (they may be back already).
  NodeSet act(SimTime now);

  NodeSet ready() const;
  /// Of a machine that is there: 1 is full speed.
  double speed(NodeId node) const;
  /// Of the slowest of these, 1 of none.
  double slowest_of(const NodeSet& nodes) const;
  /// Those of these machines that have been too slow, by the rule, for as long as it has patience;
  /// the slowest first.
  std::vector<NodeId> overdue_of(const NodeSet& nodes) const;
  int alive() const { return static_cast<int>(ready_at_.size()); }
  int starting() const { return alive() - static_cast<int>(ready().size()); }
  /// How often the trace has started again.
  std::int64_t repetitions() const { return pass_; }

 private:
  void read_events(SimTime trace_time, NodeSet& there, NodeSet& hit) const;
  void start_again(NodeSet& there, NodeSet& hit);
  void read_speeds(SimTime trace_time);
  void judge_speeds(const NodeSet& lost);

  const Scenario& scenario_;
  const Trace& trace_;
  const StragglerRule& rule_;
  std::map<NodeId, SimTime> ready_at_;  // of the machines that are there
  std::map<NodeId, double> speeds_;     // of slow machines
  std::map<NodeId, SimTime> too_slow_since_;
  std::map<NodeId, double> speeds_at_start_;
  SimTime now_ = at(Duration(-1));
  std::int64_t pass_ = 0;
  NodeSet there_at_start_;
};

}  // namespace bethany
