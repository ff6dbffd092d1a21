#include "sim/training/roster.h"

namespace bethany {

Roster::Roster(std::size_t node_count)
    : nodes_(node_count),
      members_(node_count),
      pool_(node_count),
      left_out_(node_count),
      spare_(node_count) {}

std::uint32_t Roster::join(NodeId node, SimTime now, Duration delay) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(!entry.alive, "node {} joins twice", node.value);
  entry.alive = true;
  entry.held_back = false;
  entry.left_out = false;
  entry.place = -1;
  ++entry.incarnation;
  ++live_;
  entry.ready_at = now + delay;
  if (delay == Duration(0)) enter_idle(node);
  return entry.incarnation;
}

bool Roster::become_ready(NodeId node, std::uint32_t incarnation) {
  const auto& entry = nodes_[node.index()];
  if (!entry.alive || entry.incarnation != incarnation) return false;
  enter_idle(node);
  return true;
}

Roster::Loss Roster::lose(NodeId node) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(entry.alive, "node {} is lost while it is gone", node.value);
  Loss loss{.member = members_.contains(node), .configured = configured(node)};
  if (loss.member) {
    members_.erase(node);
  } else {
    leave_idle(node);
  }
  entry.alive = false;
  entry.place = -1;
  entry.part_of = 0;
  --live_;
  return loss;
}

Books::Counts Roster::counts(PoolWaits waits) const {
  const bool spares_wait = waits == PoolWaits::all_and_spares;
  const int waiting = spares_wait || waits == PoolWaits::all ? pool_.size()
                      : waits == PoolWaits::admissible       ? admissible()
                                                             : 0;
  return {.live = live_,
          .starting = live_ - ready() - spares(),
          .waiting = waiting + (spares_wait ? spares() : 0),
          .spare = spares_wait ? 0 : spares(),
          .stranded = pool_.size() - waiting};
}

/// A ready node that is no member goes where its marks say.
void Roster::enter_idle(NodeId node) {
  const auto& entry = nodes_[node.index()];
  (entry.held_back ? spare_ : pool_).insert(node);
  if (!entry.held_back && entry.left_out) left_out_.insert(node);
}

/// False when it is none.
bool Roster::leave_idle(NodeId node) {
  for (NodeSet* set : {&pool_, &spare_}) {
    if (!set->contains(node)) continue;
    set->erase(node);
    if (left_out_.contains(node)) left_out_.erase(node);
    return true;
  }
  return false;
}

void Roster::hold_back(NodeId node, bool held) {
  auto& entry = nodes_[node.index()];
  BETHANY_CHECK(entry.alive, "node {} is held back while it is gone", node.value);
  const bool idle = leave_idle(node);
  entry.held_back = held;
  if (idle) enter_idle(node);
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
  enter_idle(node);
}

void Roster::take(const std::vector<NodeId>& nodes) {
  ++stamp_;
  for (const auto node : nodes) {
    leave_idle(node);
    members_.insert(node);
    nodes_[node.index()].member_since = stamp_;
  }
}

void Roster::take_all_ready() {
  spare_.for_each([&](NodeId node) { nodes_[node.index()].left_out = false; });
  std::vector<NodeId> taken;
  pool_.for_each([&](NodeId node) {
    nodes_[node.index()].left_out = false;
    taken.push_back(node);
  });
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
  for (const auto node : members) nodes_[node.index()].left_out = true;
  release(members);
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
    digest.add(entry.left_out ? 1 : 0);
    if (entry.alive && !ready) digest.add((entry.ready_at - now).count());
  }
}

}  // namespace bethany
