#include "sim/study/ready_nodes.h"

#include <algorithm>

namespace bethany {

ReadyNodes::ReadyNodes(const Setup& setup, SimTime horizon)
    : cursor_(*setup.trace, setup.scenario.at_end),
      horizon_(horizon),
      delay_(setup.scenario.cluster.startup_delay),
      ready_at_(setup.trace->node_names.size(), kNever) {
  advance();  // to the state after time 0
}

std::optional<Stretch> ReadyNodes::next() {
  if (now_ >= horizon_) return {};
  const SimTime end = std::min(horizon_, next_change());
  const Stretch stretch{now_, end, alive_, ready_, kept_};
  kept_ = ready_;
  now_ = end;
  if (now_ < horizon_) advance();
  return stretch;
}

SimTime ReadyNodes::next_change() const {
  const SimTime starting = starting_.empty() ? kNever : starting_.begin()->first;
  return std::min(cursor_.next_time(), starting);
}

/// Applies what happens at `now_`.
void ReadyNodes::advance() {
  if (cursor_.next_time() == now_) {
    const auto& instant = cursor_.take();
    for (const auto node : instant.lost) lose(node);
    for (const auto node : instant.joined) {
      ++alive_;
      const SimTime at = now_ == SimTime() ? now_ : now_ + delay_;
      ready_at_[node.index()] = at;
      if (at == now_) {
        ++ready_;
      } else {
        ++starting_[at];
      }
    }
  }
  while (!starting_.empty() && starting_.begin()->first <= now_) {
    ready_ += starting_.begin()->second;
    starting_.erase(starting_.begin());
  }
}

void ReadyNodes::lose(NodeId node) {
  --alive_;
  const SimTime at = ready_at_[node.index()];
  // One that would become ready now still starts: it is in `starting_`.
  const auto waits = starting_.find(at);
  if (at >= now_ && waits != starting_.end()) {
    if (--waits->second == 0) starting_.erase(waits);
    return;
  }
  --ready_;
  --kept_;
}

}  // namespace bethany
