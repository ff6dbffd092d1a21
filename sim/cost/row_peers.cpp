#include "sim/cost/row_peers.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/cost/held_experts.h"

namespace bethany {

int most_row_peers(const PlacementPlan& plan, const LayerPlan& layer) {
  constexpr std::size_t kWord = 64;
  const auto ranks = static_cast<std::size_t>(plan.ranks());
  if (ranks > 64) return plan.ranks() - 1;
  const std::size_t words = (static_cast<std::size_t>(plan.experts) + kWord - 1) / kWord;
  std::vector<std::uint64_t> held(ranks * words);  // one bit an expert
  visit_experts(plan, layer, [&](std::size_t rank, std::size_t expert) {
    held[rank * words + expert / kWord] |= std::uint64_t{1} << expert % kWord;
  });
  std::vector<int> out(ranks);
  std::vector<int> in(ranks);
  for (std::size_t from = 0; from < ranks; ++from) {
    for (std::size_t to = 0; to < ranks; ++to) {
      std::uint64_t lacking = 0;
      for (std::size_t w = 0; w < words; ++w) {
        lacking |= held[to * words + w] & ~held[from * words + w];
      }
      if (lacking == 0) continue;
      ++out[from];
      ++in[to];
    }
  }
  return std::max(*std::max_element(out.begin(), out.end()),
                  *std::max_element(in.begin(), in.end()));
}

}  // namespace bethany
