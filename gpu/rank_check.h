#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/selftest.h"

namespace bethany {

/// Trains a small stack in exact arithmetic on one CPU rank, and on several ranks of the named
/// arithmetic that are threads of this process (serialised, as plain streams, partitioned). All
/// have to end with the same weights, moments and losses, bit for bit. Empty when there is no
/// arithmetic of that name.
std::vector<CheckResult> check_ranks(const std::string& compute, std::uint64_t seed);

}  // namespace bethany
