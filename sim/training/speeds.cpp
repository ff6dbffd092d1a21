#include "sim/training/speeds.h"

#include <bit>
#include <cstdint>

namespace bethany {

std::optional<SimTime> Speeds::set(NodeId node, double speed, SimTime now) {
  if (speed == 1 || !rule_.too_slow(speed)) {
    forget(node);
    if (speed < 1) slow_[node].speed = speed;
    return {};
  }
  Slow& slow = slow_[node];
  slow.speed = speed;
  if (slow.too_slow_since) return {};  // slower or less slow, but too slow as before
  slow.too_slow_since = now;
  const Duration patience = rule_.patience();
  if (patience > Duration(0)) return now + patience;
  end_patience(node, now);
  return {};
}

void Speeds::forget(NodeId node) {
  const auto found = slow_.find(node);
  if (found == slow_.end()) return;
  overdue_ -= found->second.overdue ? 1 : 0;
  slow_.erase(found);
}

bool Speeds::end_patience(NodeId node, SimTime since) {
  const auto found = slow_.find(node);
  if (found == slow_.end() || found->second.too_slow_since != since) return false;
  found->second.overdue = true;
  ++overdue_;
  return true;
}

bool Speeds::overdue(NodeId node) const {
  const auto found = slow_.find(node);
  return found != slow_.end() && found->second.overdue;
}

void Speeds::add_to(Digest& digest, SimTime now) const {
  for (const auto& [node, slow] : slow_) {
    digest.add(node.value);
    digest.add(std::bit_cast<std::int64_t>(slow.speed));
    digest.add(slow.overdue ? 1 : 0);
    const bool waits = slow.too_slow_since && !slow.overdue;
    digest.add(waits ? (now - *slow.too_slow_since).count() : -1);
  }
}

}  // namespace bethany
