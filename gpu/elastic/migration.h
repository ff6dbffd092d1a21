#pragma once

#include <vector>

#include "gpu/elastic/order.h"
#include "sim/training/planner.h"

namespace bethany {

/// A GPU of a machine.
struct RankPlace {
  NodeId node;
  int gpu = 0;

  friend bool operator==(const RankPlace&, const RankPlace&) = default;
};

/// Who takes part in a change: the ranks of the new configuration in its order, then those that
/// only send because they hold what others need. `before` without a plan: only the first.
std::vector<RankPlace> participants(const Configuration& before, const Configuration& after);

/// What every rank needs that it does not hold: from a GPU of its own machine when one holds it,
/// else from the machine that the simulator's schedule names. Every missing state exactly once, in
/// an order that is the same for both sides. `before` without a plan: nothing is held.
/// Requires: the fetches of `after` were made for `before`.
std::vector<Move> moves_of(const Configuration& before, const Configuration& after,
                           const std::vector<RankPlace>& participants);

}  // namespace bethany
