#pragma once

#include <vector>

#include "sim/model/traffic.h"
#include "sim/placement/binding.h"
#include "sim/placement/expert_bits.h"

namespace bethany {

/// Fills the transfers and the summary of a binding whose machine_of_place is there.
///
/// BindingMethod::greedy: dense states first, then experts by place; each from its owner that has
/// sent least, ties by machine.
///
/// BindingMethod::min_cost: the busiest port is the least possible when experts are fetched whole
/// and the dense state in pieces. What each machine receives follows from the binding. Of the
/// experts the most that one machine sends is made least by augmenting paths: starting from the
/// greedy choice, a machine that sends the most hands a request to another owner, which hands one
/// on, until a machine that sends two fewer is reached. When there is no such path, the machines
/// that can be reached own what they send alone, and each sends at least that maximum less one: no
/// schedule sends less. The dense bytes then fill the machines that send least, up to one level.
///
/// `place_of`: Holdings::place_of; owners of the dense state are the machines with a place.
void schedule_transfers(const ExpertBits& needs, const ExpertBits& held,
                        const std::vector<int>& place_of, const StateSizes& sizes, int experts,
                        BindingMethod method, Binding& binding);

}  // namespace bethany
