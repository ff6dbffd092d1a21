#pragma once

#include <cstdint>

#include "gpu/layer/stack.h"

namespace bethany {

/// Where the matrices of one expert lie in its weights (and its gradient, and each moment).
struct ExpertLayout {
  std::int64_t in = 0;   // ffn × hidden, or 2·ffn × hidden when gated: gate then up
  std::int64_t out = 0;  // hidden × ffn
};
ExpertLayout expert_layout(const StackShape& shape);

/// The same for one block in the dense part.
struct DenseLayout {
  std::int64_t attention_gain = 0;  // hidden
  std::int64_t qkv = 0;         // 3·hidden × hidden: queries, keys, values; heads side by side
  std::int64_t projection = 0;  // hidden × hidden
  std::int64_t moe_gain = 0;    // hidden
  std::int64_t gate = 0;        // experts × hidden
};
DenseLayout dense_layout(const StackShape& shape, int layer);

}  // namespace bethany
