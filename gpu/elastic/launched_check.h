#pragma once

#include <vector>

#include "gpu/elastic/launched_crew.h"
#include "gpu/selftest.h"

namespace bethany {

/// Trains a small stack in exact arithmetic on all launched processes. One of them dies in the
/// midst of a step, the others go on, change places, and take it back. Processes that die hard
/// train without the last one, which takes the place of the dead. In the end all holders must have
/// the weights and moments, and all steps the losses and outputs, of one CPU rank that nothing
/// happened to, bit for bit. Throws InputError with fewer than three processes, or four that die
/// hard.
std::vector<CheckResult> check_launched(LaunchedProcesses& processes, std::uint64_t seed);

}  // namespace bethany
