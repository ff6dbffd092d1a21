#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/layer/stack.h"
#include "gpu/selftest.h"

namespace bethany {

/// What is trained to be compared bit for bit: every kind of layer part, two experts a token, in a
/// fraction of a second.
inline constexpr StackShape kSmallExactStack{.layers = 2,
                                             .hidden = 16,
                                             .ffn = 32,
                                             .gated = true,
                                             .experts = 6,
                                             .top_k = 2,
                                             .heads = 2,
                                             .sequence_length = 8,
                                             .exact = true};

/// Trains a small stack in exact arithmetic on one CPU rank, and on several ranks of the named
/// arithmetic that are threads of this process (serialised, as plain streams, partitioned). All
/// have to end with the same weights, moments and losses, bit for bit. Empty when there is no
/// arithmetic of that name.
std::vector<CheckResult> check_ranks(const std::string& compute, std::uint64_t seed);

}  // namespace bethany
