#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/base/int128.h"

namespace bethany {

/// Binary digits kept behind the point of a replica's load.
constexpr int kWeightDigits = 16;

/// The load of one replica of each expert under an even split, in units of 2^-16, rounded down;
/// every replica counts. Without any load (or with no `loads` at all) all replicas weigh the same,
/// so that they are still spread.
std::vector<Int128> replica_weights(std::span<const std::int32_t> replicas,
                                    std::span<const std::int64_t> loads);

}  // namespace bethany
