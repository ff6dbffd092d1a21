#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gpu/layer/stack.h"
#include "sim/base/random.h"

namespace bethany {

/// Sums of exact arithmetic stay below it: floats hold every integer up to it.
constexpr std::int64_t kExactLimit = std::int64_t{1} << 24;

/// Uniform numbers of mean 0 and standard deviation `scale`; exact: integers of -3..3.
void draw(Rng& rng, bool exact, double scale, std::span<float> out);

/// Token vectors and targets (samples · sequence_length × hidden each) of a micro-batch. A sample
/// is a function of the seed and its number alone. The target of a token is its own vector plus
/// that of the token before, shifted by one column: something that attention can learn.
struct Samples {
  std::vector<float> tokens;
  std::vector<float> targets;
};
Samples draw_samples(const StackShape& shape, const MicroBatch& batch);

}  // namespace bethany
