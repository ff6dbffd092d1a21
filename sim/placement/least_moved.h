#pragma once

#include <cstdint>
#include <vector>

#include "sim/placement/expert_bits.h"

namespace bethany {

/// Gives places to machines so that the sum of newly assigned experts is the least possible, and of
/// the best assignments takes the first in the order of the machines of the first place, the second
/// place, … (a canonical answer: it does not depend on the solver).
///
/// Places with equal needs, and machines that hold equal experts, are put together, so it is a
/// transportation problem between kinds: LEMON's network simplex on the pairs with a common expert
/// (all others cost the same, and pass through one node between). The dual solution then tells
/// which pairs occur in *some* best assignment, and a walk over the places picks the first.
///
/// `places` and `machines`: rows of `needs` and `held`, ascending, equally many; the result has the
/// machine of each place. Empty when more than kMostOverlaps pairs of kinds have a common expert.
std::vector<std::uint32_t> least_moved_assignment(const ExpertBits& needs, const ExpertBits& held,
                                                  const std::vector<std::uint32_t>& places,
                                                  const std::vector<std::uint32_t>& machines);

}  // namespace bethany
