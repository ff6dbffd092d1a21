#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/base/ids.h"
#include "traces/replay_options.h"

namespace bethany {

/// What one instant of a trace does, net: who of those alive before is lost (also when it joins
/// again at once), who joins and is there afterwards, both in trace order; and how many are alive
/// then.
struct NetInstant {
  std::vector<NodeId> losses;
  std::vector<NodeId> joins;
  std::int64_t alive = 0;
};

/// What it does to the capped cluster: first `out` leave, then `in` come, in this order.
struct CapStep {
  std::vector<NodeId> out;
  std::vector<NodeId> in;
};

/// The nodes that fill the places of the cluster, instant by instant.
class Cap {
 public:
  virtual ~Cap() = default;
  /// Whether a place is one machine; if not, places are counted and a machine that is lost may be
  /// replaced unseen.
  virtual bool follows_machines() const = 0;
  /// Called for every instant in turn. The first is the start: everybody alive joins.
  virtual CapStep step(const NetInstant& instant) = 0;
};

/// `rank` is the order of preference by NodeId, all different; `peak` the most nodes ever alive
/// (for `scale`). Requires: places > 0.
std::unique_ptr<Cap> make_cap(CapRule rule, int places, std::vector<std::int32_t> rank,
                              std::int64_t peak);

}  // namespace bethany
