#pragma once

#include <cstdint>
#include <vector>

#include "sim/placement/host_plan.h"
#include "sim/placement/survival_order.h"

namespace bethany {

/// The first of the profiles that none of the others is seen to beat (rank() in survival_order.h).
/// Where all pairs are affordable, the first of the lexicographically best. Requires: not empty.
std::size_t first_unbeaten(std::vector<SurvivalProfile>& profiles);

/// The best plan found from the starts and overlap_starts() by climbing, the best start first,
/// while word steps are left: never below a start where the two are affordable to compare.
/// Requires: at least one start, all for the same nodes, slots and ascending replica counts.
HostPlan largest_survival(const std::vector<HostPlan>& starts, std::int64_t work);

}  // namespace bethany
