#include "sim/training/roster.h"

namespace bethany {

Roster::Roster(std::size_t node_count)
    : nodes_(node_count), members_(node_count), pool_(node_count), spare_(node_count) {}

std::uint32_t Roster::join(NodeId node, SimTime now, Duration delay) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(!entry.alive, "node {} joins twice", node.value);
  entry.alive = true;
  entry.held_back = false;
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
  idle_set(node).insert(node);
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
  } else if (spare_.contains(node)) {
    spare_.erase(node);
  }
  entry.alive = false;
  entry.place = -1;
  entry.part_of = 0;
  --live_;
  return loss;
}

Books::Counts Roster::counts(Idle idle) const {
  Books::Counts counts{.live = live_, .starting = live_ - ready() - spares()};
  (idle == Idle::stranded ? counts.stranded : counts.waiting) = pool();
  (idle == Idle::waiting ? counts.waiting : counts.spare) += spares();
  return counts;
}

void Roster::hold_back(NodeId node, bool held) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(entry.alive, "node {} is held back while it is gone", node.value);
  const bool idle = pool_.contains(node) || spare_.contains(node);
  if (idle) (spare_.contains(node) ? spare_ : pool_).erase(node);
  entry.held_back = held;
  if (idle) idle_set(node).insert(node);
}

void Roster::recall_spares() {
  std::vector<NodeId> recalled;
  spare_.for_each([&](NodeId node) { recalled.push_back(node); });
  for (const auto node : recalled) {
    spare_.erase(node);
    pool_.insert(node);
  }
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
  idle_set(node).insert(node);
}

void Roster::take_all_ready() {
  ++stamp_;
  std::vector<NodeId> taken;
  pool_.for_each([&](NodeId node) { taken.push_back(node); });
  for (const auto node : taken) {
    pool_.erase(node);
    members_.insert(node);
    nodes_[node.index()].member_since = stamp_;
  }
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

std::vector<int> Roster::places_of_spares() const {
  std::vector<int> places;
  spare_.for_each([&](NodeId node) {
    const int place = nodes_[node.index()].place;
    if (place >= 0) places.push_back(place);
  });
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
    const bool spare = spare_.contains(node);
    const bool ready = is_member(node) || pool_.contains(node) || spare;
    digest.add((entry.alive ? 1 : 0) + (ready ? 2 : 0) + (is_member(node) ? 4 : 0) +
               (spare ? 8 : 0));
    digest.add(entry.place);
    if (entry.alive && !ready) digest.add((entry.ready_at - now).count());
  }
}

}  // namespace bethany
