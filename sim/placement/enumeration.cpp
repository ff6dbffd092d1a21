#include <array>

#include "sim/placement/bits.h"
#include "sim/placement/exact_methods.h"

namespace bethany {

// A bit for every loss set: those equal to a set are marked, then everything that contains a marked
// one.
std::optional<std::vector<std::uint64_t>> enumerate_survivors(const Component& part,
                                                              WorkBudget& budget) {
  if (part.nodes > kEnumeratedNodes) return std::nullopt;
  const auto n = static_cast<std::size_t>(part.nodes);
  if (!budget.spend(static_cast<std::int64_t>((n + 8) << n) / 64)) return std::nullopt;
  std::vector<std::uint64_t> fatal(std::max<std::size_t>(1, (std::size_t{1} << n) / kBitsPerWord));
  for (const auto& set : part.sets) {
    std::size_t losses = 0;
    for (const std::int32_t node : set) losses |= std::size_t{1} << node;
    set_bit(fatal.data(), losses);
  }
  constexpr std::array<std::uint64_t, 6> kWithout = {0x5555555555555555U, 0x3333333333333333U,
                                                     0x0F0F0F0F0F0F0F0FU, 0x00FF00FF00FF00FFU,
                                                     0x0000FFFF0000FFFFU, 0x00000000FFFFFFFFU};
  for (std::size_t node = 0; node < n; ++node) {
    if (node < kWithout.size()) {
      for (auto& word : fatal) word |= (word & kWithout[node]) << (std::size_t{1} << node);
    } else {
      const std::size_t bit = std::size_t{1} << (node - kWithout.size());
      for (std::size_t w = 0; w < fatal.size(); ++w) {
        if ((w & bit) != 0) fatal[w] |= fatal[w ^ bit];
      }
    }
  }
  // Within a word, the loss sets by the number of their lowest six nodes that are lost.
  std::array<std::uint64_t, 7> by_losses{};
  for (std::size_t losses = 0; losses < std::min(kBitsPerWord, std::size_t{1} << n); ++losses) {
    by_losses[static_cast<std::size_t>(count_bits(losses))] |= std::uint64_t{1} << losses;
  }
  std::vector<std::uint64_t> survivors(n + kWithout.size() + 1);
  for (std::size_t w = 0; w < fatal.size(); ++w) {
    const auto high = static_cast<std::size_t>(count_bits(w));
    for (std::size_t low = 0; low < by_losses.size(); ++low) {
      survivors[high + low] += static_cast<std::uint64_t>(count_bits(~fatal[w] & by_losses[low]));
    }
  }
  survivors.resize(n + 1);
  return survivors;
}

}  // namespace bethany
