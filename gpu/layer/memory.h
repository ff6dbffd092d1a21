#pragma once

#include <cstdint>
#include <vector>

#include "gpu/layer/stack.h"

namespace bethany {

/// Bytes that one rank allocates on its device to train a stack.
struct RankMemory {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;    // both moments
  std::int64_t activations = 0;  // kept from forward to backward, of all layers
  std::int64_t buffers = 0;      // shared by all layers: inputs, rows on their way, gradients
  std::int64_t staging = 0;      // of a reduction, while it runs

  std::int64_t total() const {
    return weights + gradients + optimizer + activations + buffers + staging;
  }
};

/// What a rank's work needs that decides its memory.
struct RankWork {
  int held_experts = 0;            // different ones, of all layers together
  std::int64_t samples = 0;        // of one micro-batch
  std::vector<std::int64_t> rows;  // that its experts compute, by layer
  std::vector<std::int64_t> sent;  // padding and what stays here included, by layer
  int ranks = 1;
  std::int64_t staged = 0;  // floats that a reduction receives into
};

/// Predicted before anything is allocated. Arrays grow with the largest micro-batch and never
/// shrink, so a changing number of rows counts with its maximum. What a runtime takes for itself is
/// not in it. Requires: rows of every layer, both.
RankMemory rank_memory(const StackShape& shape, const RankWork& work);

}  // namespace bethany
