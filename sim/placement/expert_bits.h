#pragma once

#include <cstdint>
#include <vector>

#include "sim/model/plan.h"
#include "sim/placement/bits.h"

namespace bethany {

/// For each row (a place or a machine) the experts of all layers that it holds, as bits
/// layer · experts + expert.
class ExpertBits {
 public:
  ExpertBits(int rows, int layers, int experts)
      : words_(words_for(static_cast<std::size_t>(layers) * static_cast<std::size_t>(experts))),
        bits_(words_ * static_cast<std::size_t>(rows)) {}

  std::size_t words() const { return words_; }
  /// Bits of a row, those past the last expert included.
  std::size_t width() const { return words_ * kBitsPerWord; }
  const std::uint64_t* row(std::size_t i) const { return bits_.data() + i * words_; }

  /// Adds what stands on a node of the plan.
  void add_node(const PlacementPlan& plan, int node, std::size_t into) {
    std::uint64_t* bits = bits_.data() + into * words_;
    for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
      const auto first = static_cast<std::size_t>(layer) * static_cast<std::size_t>(plan.experts);
      for (const std::int32_t expert : plan.node_slots(layer, node)) {
        if (expert != kVacant) set_bit(bits, first + static_cast<std::size_t>(expert));
      }
    }
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

/// Calls visit(bit) for every set bit of a row, ascending.
template <class Visit>
void each_bit(const std::uint64_t* row, std::size_t words, const Visit& visit) {
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t bits = row[w]; bits != 0; bits &= bits - 1) {
      visit(w * kBitsPerWord + lowest_bit(bits));
    }
  }
}

/// The first word in which two rows differ decides: below, equal or above 0.
inline int compare_rows(const std::uint64_t* a, const std::uint64_t* b, std::size_t words) {
  for (std::size_t w = 0; w < words; ++w) {
    if (a[w] != b[w]) return a[w] < b[w] ? -1 : 1;
  }
  return 0;
}

}  // namespace bethany
