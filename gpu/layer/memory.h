#pragma once

#include <cstdint>

#include "gpu/layer/stack.h"

namespace bethany {

/// Bytes that one rank allocates on its device to train a stack.
struct RankMemory {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;    // both moments
  std::int64_t activations = 0;  // kept from forward to backward, of all layers
  std::int64_t buffers = 0;      // shared by all layers: inputs, rows on their way, gradients

  std::int64_t total() const { return weights + gradients + optimizer + activations + buffers; }
};

/// What a rank's work needs that decides its memory.
struct RankWork {
  int held_experts = 0;      // different ones, of all layers together
  std::int64_t samples = 0;  // of one micro-batch
  std::int64_t rows = 0;     // that its experts compute, the same in each layer
  int ranks = 1;
};

/// Predicted before anything is allocated. Arrays grow with the largest micro-batch and never
/// shrink, so a changing number of rows counts with its maximum. What a reduction stages and a
/// runtime takes for itself is not in it.
RankMemory rank_memory(const StackShape& shape, const RankWork& work);

}  // namespace bethany
