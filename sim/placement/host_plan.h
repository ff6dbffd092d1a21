#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/host_bits.h"

namespace bethany {

/// A layer while it is being placed: which nodes host which experts, and the slots left. Experts
/// are named by their place in the ascending order of replica counts. An expert never takes more
/// nodes than it has replicas; replicas beyond its hosts wait, and take a slot only in rows().
class HostPlan {
 public:
  HostPlan(int nodes, int slots_per_node, std::span<const std::int32_t> ascending_replicas);

  int nodes() const { return hosts_.nodes; }
  int slots() const { return slots_; }
  int experts() const { return static_cast<int>(replicas_.size()); }
  std::int32_t replicas(int expert) const { return replicas_[static_cast<std::size_t>(expert)]; }
  std::int32_t room(int node) const { return room_[static_cast<std::size_t>(node)]; }
  std::int32_t host_count(int expert) const { return counts_[static_cast<std::size_t>(expert)]; }
  /// Whether the expert may have a further host.
  bool waits(int expert) const { return host_count(expert) < replicas(expert); }
  bool hosts(int expert, int node) const {
    return has_bit(hosts_.set(static_cast<std::size_t>(expert)), static_cast<std::size_t>(node));
  }
  const HostBits& host_bits() const { return hosts_; }

  /// Requires: room, the expert waits and is not on the node.
  void add(int expert, int node);
  void remove(int expert, int node);

  /// Gives waiting replicas further hosts: repeatedly the expert with fewest hosts (ties: first)
  /// goes to the emptiest node that lacks it (ties: lowest). Never lowers what survives.
  void fill();

  /// The slots of node 0, node 1, …; replicas still waiting go, expert after expert, to the
  /// emptiest nodes. Vacant slots last. Requires: the sum of the replicas fits.
  std::vector<std::int32_t> rows() const;

 private:
  int slots_ = 0;
  std::vector<std::int32_t> replicas_;
  std::vector<std::int32_t> room_;
  std::vector<std::int32_t> counts_;
  HostBits hosts_;
};

}  // namespace bethany
