#pragma once

#include <cstdint>
#include <vector>

#include "sim/placement/expert_bits.h"

namespace bethany {

/// The published greedy rule: again and again the pair of a place and a machine with the fewest
/// newly assigned experts, ties by place, then machine. Without a table of all pairs: every place
/// waits in a heap under its best pair; when its machine has gone meanwhile, the next best is
/// looked for. What a place can have only gets worse, so the first pair in the heap whose machine
/// is free is the best of all. A place looks again at most once for each cost it may have.
/// `places` and `machines`: rows of `needs` and `held`, ascending, equally many; the result has the
/// machine of each place.
std::vector<std::uint32_t> lazy_greedy(const ExpertBits& needs, const ExpertBits& held,
                                       const std::vector<std::uint32_t>& places,
                                       const std::vector<std::uint32_t>& machines);

}  // namespace bethany
