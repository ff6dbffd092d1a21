#pragma once

#include <cstdint>

#include "sim/placement/host_plan.h"
#include "sim/placement/survival_order.h"

namespace bethany {

/// Climbs from a plan to better neighbours until none is better, the steepest way: an expert moves
/// to a node with room, two experts on two nodes change places, or an expert's slot goes to one
/// that has waiting replicas (placement.md §4). Of nodes that host the same experts one is tried,
/// of experts with the same hosts and replicas one. Every neighbour is filled before it is
/// compared, so that each step is a strict lexicographic gain of the survival counts. Takes its
/// word steps off `work` and stops, at the best plan so far, when none are left.
void climb(HostPlan& plan, std::int64_t& work);

}  // namespace bethany
