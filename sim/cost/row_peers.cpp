#include "sim/cost/row_peers.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bethany {
namespace {

/// A set of experts for each rank, one bit an expert.
class ExpertSets {
 public:
  ExpertSets(std::size_t ranks, std::size_t experts)
      : words_((experts + kWord - 1) / kWord), bits_(ranks * words_) {}
  void add(std::size_t rank, std::size_t expert) {
    bits_[rank * words_ + expert / kWord] |= std::uint64_t{1} << expert % kWord;
  }
  bool meet(std::size_t rank, const ExpertSets& others, std::size_t other) const {
    for (std::size_t w = 0; w < words_; ++w) {
      if ((bits_[rank * words_ + w] & others.bits_[other * words_ + w]) != 0) return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t kWord = 64;
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

}  // namespace

int most_row_peers(const PlacementPlan& plan, const LayerPlan& layer) {
  const auto ranks = static_cast<std::size_t>(plan.ranks());
  if (ranks > 64) return plan.ranks() - 1;
  const auto experts = static_cast<std::size_t>(plan.experts);
  const auto slots = static_cast<std::size_t>(plan.slots_per_gpu());
  std::vector<std::size_t> copies(ranks * experts);
  std::vector<std::size_t> all(experts);
  for (std::size_t slot = 0; slot < ranks * slots; ++slot) {
    const auto held = layer.expert_of_slot[slot];
    if (held == kVacant) continue;
    const auto expert = static_cast<std::size_t>(held);
    ++copies[slot / slots * experts + expert];
    ++all[expert];
  }
  ExpertSets gives(ranks, experts);
  ExpertSets takes(ranks, experts);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    for (std::size_t expert = 0; expert < experts; ++expert) {
      const std::size_t share = copies[rank * experts + expert] * ranks;
      if (share < all[expert]) gives.add(rank, expert);
      if (share > all[expert]) takes.add(rank, expert);
    }
  }
  std::vector<int> out(ranks);
  std::vector<int> in(ranks);
  for (std::size_t from = 0; from < ranks; ++from) {
    for (std::size_t to = 0; to < ranks; ++to) {
      if (!gives.meet(from, takes, to)) continue;
      ++out[from];
      ++in[to];
    }
  }
  return std::max(*std::max_element(out.begin(), out.end()),
                  *std::max_element(in.begin(), in.end()));
}

}  // namespace bethany
