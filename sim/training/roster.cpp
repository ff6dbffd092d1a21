#include "sim/training/roster.h"

namespace bethany {

Roster::Roster(std::size_t node_count)
    : nodes_(node_count), members_(node_count), pool_(node_count), left_out_(node_count) {}

std::uint32_t Roster::join(NodeId node, SimTime now, Duration delay) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(!entry.alive, "node {} joins twice", node.value);
  entry.alive = true;
  entry.place = -1;
  ++entry.incarnation;
  ++live_;
  entry.ready_at = now + delay;
  if (delay == Duration(0)) pool_.insert(node);
  return entry.incarnation;
}

bool Roster::become_ready(NodeId node, std::uint32_t incarnation) {
  const auto& entry = nodes_[node.index()];
  if (!entry.alive || entry.incarnation != incarnation) return false;
  pool_.insert(node);
  return true;
}

Roster::Loss Roster::lose(NodeId node) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(entry.alive, "node {} is lost while it is gone", node.value);
  Loss loss{.member = members_.contains(node), .configured = configured(node)};
  if (loss.member) {
    members_.erase(node);
  } else if (pool_.contains(node)) {
    pool_.erase(node);
    if (left_out_.contains(node)) left_out_.erase(node);
  }
  entry.alive = false;
  entry.place = -1;
  entry.part_of = 0;
  --live_;
  return loss;
}

Books::Counts Roster::counts(PoolWaits waits) const {
  const int waiting = waits == PoolWaits::all          ? pool_.size()
                      : waits == PoolWaits::admissible ? admissible()
                                                       : 0;
  return {.live = live_,
          .starting = live_ - ready(),
          .waiting = waiting,
          .stranded = pool_.size() - waiting};
}

bool Roster::configured(NodeId node) const {
  const auto& entry = nodes_[node.index()];
  if (completed_ == 0) return false;
  return entry.part_of == completed_ ||
         (members_.contains(node) && entry.member_since < completed_);
}

void Roster::leave_members(NodeId node) {
  if (configured(node)) nodes_[node.index()].part_of = completed_;
  members_.erase(node);
  pool_.insert(node);
}

void Roster::take(const std::vector<NodeId>& nodes) {
  ++stamp_;
  for (const auto node : nodes) {
    pool_.erase(node);
    members_.insert(node);
    nodes_[node.index()].member_since = stamp_;
  }
}

void Roster::take_all_ready() {
  std::vector<NodeId> taken;
  pool_.for_each([&](NodeId node) { taken.push_back(node); });
  for (const auto node : taken) {
    if (left_out_.contains(node)) left_out_.erase(node);
  }
  take(taken);
}

void Roster::take_admissible() {
  std::vector<NodeId> taken;
  pool_.for_each([&](NodeId node) {
    if (!left_out_.contains(node)) taken.push_back(node);
  });
  take(taken);
}

void Roster::leave_out(std::span<const NodeId> members) {
  release(members);
  for (const auto node : members) left_out_.insert(node);
}

void Roster::release(std::span<const NodeId> members) {
  for (const auto node : members) leave_members(node);
}

void Roster::dismiss() { release(member_list()); }

std::vector<NodeId> Roster::member_list() const {
  std::vector<NodeId> list;
  list.reserve(static_cast<std::size_t>(members_.size()));
  members_.for_each([&](NodeId node) { list.push_back(node); });
  return list;
}

std::vector<int> Roster::places_of(std::span<const NodeId> machines) const {
  std::vector<int> places;
  places.reserve(machines.size());
  for (const auto node : machines) places.push_back(nodes_[node.index()].place);
  return places;
}

void Roster::complete(const Configuration& configuration) {
  completed_ = ++stamp_;
  for (const auto node : holders_) nodes_[node.index()].place = -1;
  holders_ = configuration.machine_of_place;
  for (std::size_t place = 0; place < holders_.size(); ++place) {
    nodes_[holders_[place].index()].place = static_cast<std::int32_t>(place);
  }
}

void Roster::add_to(Digest& digest, SimTime now) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeId node(static_cast<std::int32_t>(i));
    const auto& entry = nodes_[i];
    const bool ready = members_.contains(node) || pool_.contains(node);
    digest.add((entry.alive ? 1 : 0) + (ready ? 2 : 0) + (members_.contains(node) ? 4 : 0));
    digest.add(entry.place);
    digest.add(left_out_.contains(node) ? 1 : 0);
    if (entry.alive && !ready) digest.add((entry.ready_at - now).count());
  }
}

}  // namespace bethany
