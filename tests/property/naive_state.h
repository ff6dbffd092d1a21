#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "sim/placement/binding.h"
#include "sim/training/job.h"
#include "tests/property/naive_cluster.h"

namespace bethany {

/// Thrown when the policy has no plan for a node count.
struct NaiveNoPlan {};

/// A configuration that is being made.
struct NaiveTarget {
  PlanCause cause = PlanCause::start;
  std::shared_ptr<const PlacementPlan> plan;  // null: nothing needs one
  std::vector<NodeId> machine_of_place;
  TransferSummary transfer;
};

/// The (layer, expert) pairs that a node holds.
using NaiveContent = std::set<std::pair<int, int>>;

/// Where a plan's state comes from.
enum class StateFrom { members, storage };

/// Who holds what in the naive reference job: the last completed configuration and what is left of
/// it (DESIGN §4.5 rules 4 and 5), as plain sets.
class NaiveState {
 public:
  explicit NaiveState(const JobInput& input);

  const StateSizes& sizes() const { return sizes_; }
  bool makes_plans() const { return makes_plans_; }
  /// What a plan may look at for that many nodes.
  PlacementShape shape(int nodes) const;

  /// Whether the policy has a plan for the whole cluster.
  bool fits_cluster() const;

  /// A plan for these nodes after `committed` steps; without need of one, only the cause.
  NaiveTarget plan_for(PlanCause cause, const NodeSet& members, StateFrom from,
                       std::int64_t committed);
  /// Whether each GPU of each machine would hold what it holds now.
  bool changes_nothing(const NaiveTarget& target) const;
  void complete(const NaiveTarget& target, const NodeSet& members);
  void lose(NodeId node);

  /// Whether there was a completed configuration.
  bool ever_completed() const { return ever_completed_; }
  /// Nodes of the last completed configuration that were lost since.
  int lost() const { return static_cast<int>(lost_.size()); }
  /// Whether every expert of every layer is held by one of these live nodes.
  bool complete_state(const NodeSet& nodes) const;
  /// Whom a change that keeps state takes of these nodes: as many as a plan can use, in turns one
  /// of each different content, while they last, then those that hold nothing.
  NodeSet survivors_of(const NodeSet& nodes) const;
  /// What a live node holds.
  NaiveContent content_of(NodeId node) const;

 private:
  /// Whether the allocation (if asked for) or the placement gives that capability.
  bool gives(const char* word, bool allocation_too) const;
  /// The domain of each member, ascending; numbered by first member. Domains are flat here.
  std::vector<std::int32_t> domains_of(const NodeSet& members) const;

  const JobInput& in_;
  StateSizes sizes_;
  bool makes_plans_ = false;
  std::uint64_t plans_made_ = 0;
  bool ever_completed_ = false;
  NodeSet configuration_;
  NodeSet lost_;
  std::shared_ptr<const PlacementPlan> plan_;
  std::map<NodeId, int> place_of_;
  std::map<std::pair<int, int>, NodeSet> holders_;  // of (layer, expert)
};

}  // namespace bethany
