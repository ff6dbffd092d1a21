#pragma once

#include <span>
#include <vector>

#include "sim/base/digest.h"
#include "sim/training/books.h"
#include "sim/training/node_set.h"
#include "sim/training/planner.h"

namespace bethany {

/// Which machines are there, which are ready, which are members, and who holds what state.
class Roster {
 public:
  explicit Roster(std::size_t node_count);

  /// A machine arrives and is ready `delay` later. Returns its incarnation: a name may come back,
  /// and what was started for its former self must not count.
  std::uint32_t join(NodeId node, SimTime now, Duration delay);
  /// Its startup delay is over. False when that incarnation is gone.
  bool become_ready(NodeId node, std::uint32_t incarnation);

  struct Loss {
    bool member = false;
    bool configured = false;  // it was part of the last completed configuration
  };
  Loss lose(NodeId node);

  int live() const { return live_; }
  int members() const { return members_.size(); }
  /// Ready nodes that the policy does not hold back.
  int ready() const { return members_.size() + pool_.size(); }
  int spares() const { return spare_.size(); }
  bool is_member(NodeId node) const { return members_.contains(node); }
  /// Ready non-members that may be admitted: those that were left out may not.
  int admissible() const { return pool_.size() - left_out_.size(); }
  /// Which of the ready non-members wait to be admitted; spares that do not are spare, the others
  /// stranded.
  enum class PoolWaits { none, admissible, all, all_and_spares };
  Books::Counts counts(PoolWaits waits) const;

  /// Whether the policy holds the node back from now on when it is no member: it is a spare then.
  void hold_back(NodeId node, bool held);
  /// Spares are as wanted as other ready nodes, until they were members again.
  void recall_spares();

  /// Makes all ready nodes members; nobody is left out any more.
  void take_all_ready();
  /// Makes the admissible ones members.
  void take_admissible();
  /// These members no longer take part; they stay ready.
  void release(std::span<const NodeId> members);
  /// The same, and they are not admitted again before take_all_ready().
  void leave_out(std::span<const NodeId> members);
  /// Nobody is a member any more.
  void dismiss();

  /// The members in ascending order.
  std::vector<NodeId> member_list() const;
  /// For each machine, the place of the last completed configuration whose state it holds, or -1.
  std::vector<int> places_of(std::span<const NodeId> machines) const;
  int place_of(NodeId node) const { return nodes_[node.index()].place; }
  /// The same for the spares that hold any.
  std::vector<int> places_of_spares() const;
  /// The members have reached this configuration: they hold its places, nobody else holds anything.
  void complete(const Configuration& configuration);

  /// Adds everything that the future of a run depends on, times relative to `now`.
  void add_to(Digest& digest, SimTime now) const;

 private:
  struct Node {
    bool alive = false;
    bool held_back = false;  // it is a spare when it is ready and no member
    bool left_out = false;
    std::uint32_t incarnation = 0;
    SimTime ready_at{};
    std::uint64_t member_since = 0;  // stamp of when it became a member
    std::uint64_t part_of = 0;       // stamp of the completed configuration it was in when it left
    std::int32_t place = -1;
  };

  /// Whether the node is part of the last completed configuration.
  bool configured(NodeId node) const;
  void leave_members(NodeId node);
  void take(const std::vector<NodeId>& nodes);
  void enter_idle(NodeId node);
  bool leave_idle(NodeId node);

  std::vector<Node> nodes_;
  NodeSet members_;
  NodeSet pool_;      // ready, neither members nor held back
  NodeSet left_out_;  // of these
  NodeSet spare_;     // ready, not members, held back
  int live_ = 0;
  // Stamps order memberships and completed configurations, so that a completion costs no visit to
  // every member: a member since before it is part of it.
  std::uint64_t stamp_ = 1;
  std::uint64_t completed_ = 0;  // stamp of the last completed configuration
  std::vector<NodeId> holders_;  // of the last completed plan, to clear their places
};

}  // namespace bethany
