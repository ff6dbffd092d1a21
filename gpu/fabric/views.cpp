#include "gpu/fabric/views.h"

#include <algorithm>
#include <utility>

#include "sim/base/check.h"
#include "sim/model/routing_load.h"

namespace bethany {

RankMessages dispatch_messages(const TokenMatrix& matrix, int rank, std::int64_t row_bytes) {
  RankMessages messages;
  for (int peer = 0; peer < matrix.ranks; ++peer) {
    if (peer == rank) continue;
    std::int64_t out = 0;
    std::int64_t in = 0;
    for (int expert = 0; expert < matrix.experts; ++expert) {
      out += matrix.at(expert, rank, peer);
      in += matrix.at(expert, peer, rank);
    }
    if (out > 0) messages.sends.push_back({peer, out * row_bytes});
    if (in > 0) messages.receives.push_back({peer, in * row_bytes});
  }
  return messages;
}

RankMessages collect_messages(const TokenMatrix& matrix, int rank, std::int64_t row_bytes) {
  auto messages = dispatch_messages(matrix, rank, row_bytes);
  std::swap(messages.sends, messages.receives);
  return messages;
}

RankMessages migration_messages(std::span<const Transfer> transfers, int rank) {
  RankMessages messages;
  for (const auto& transfer : transfers) {
    if (transfer.from == rank) messages.sends.push_back({transfer.to, transfer.bytes});
    if (transfer.to == rank) messages.receives.push_back({transfer.from, transfer.bytes});
  }
  return messages;
}

std::vector<SharedGradient> expert_gradients(const PlacementPlan& plan, std::int64_t values) {
  const auto experts = static_cast<std::size_t>(plan.experts);
  std::vector<SharedGradient> gradients(plan.layers.size() * experts);
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const auto& slots = plan.layers[layer].expert_of_slot;
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      if (slots[slot] == kVacant) continue;
      const int rank = static_cast<int>(slot) / plan.slots_per_gpu();
      auto& holders = gradients[layer * experts + static_cast<std::size_t>(slots[slot])].holders;
      if (holders.empty() || holders.back() != rank) holders.push_back(rank);
    }
  }
  for (auto& gradient : gradients) gradient.values = values;
  return gradients;
}

ReduceView reduce_view(std::span<const SharedGradient> gradients, int rank) {
  ReduceView view;
  for (std::size_t g = 0; g < gradients.size(); ++g) {
    const auto& holders = gradients[g].holders;
    if (!std::binary_search(holders.begin(), holders.end(), rank)) continue;
    std::vector<std::int64_t> sizes(holders.size());
    split_by_largest_remainder(gradients[g].values, std::vector<std::int64_t>(holders.size(), 1),
                               sizes);
    std::int64_t first = 0;
    for (std::size_t h = 0; h < holders.size(); ++h) {
      if (sizes[h] == 0) continue;
      if (holders[h] == rank) {
        for (const int peer : holders) {
          if (peer != rank) view.own.push_back({peer, g, first, sizes[h]});
        }
      } else {
        view.theirs.push_back({holders[h], g, first, sizes[h]});
      }
      first += sizes[h];
    }
    BETHANY_CHECK(first == gradients[g].values, "{} of {} values", first, gradients[g].values);
  }
  return view;
}

ReduceMessages reduce_messages(std::span<const SharedGradient> gradients, int rank) {
  const ReduceView view = reduce_view(gradients, rank);
  std::vector<PlannedMessage> own;
  std::vector<PlannedMessage> theirs;
  constexpr auto kValueBytes = static_cast<std::int64_t>(sizeof(float));
  for (const auto& slice : view.own) own.push_back({slice.peer, slice.values * kValueBytes});
  for (const auto& slice : view.theirs) theirs.push_back({slice.peer, slice.values * kValueBytes});
  return {.scatter = {.sends = theirs, .receives = own},
          .gather = {.sends = own, .receives = theirs}};
}

}  // namespace bethany
