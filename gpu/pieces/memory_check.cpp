#include <fmt/format.h>

#include "gpu/fabric/host_local.h"
#include "gpu/layer/memory.h"
#include "gpu/layer/stack.h"
#include "gpu/pieces/pieces.h"

namespace bethany {
namespace {

/// Everything stays on the one rank.
class OneRank final : public Router {
 public:
  std::vector<int> forced(int, int, std::int64_t) const override { return {}; }
  TokenMatrix matrix(int, const TokenCounts& routed) const override {
    TokenMatrix matrix(1, routed.experts);
    for (int e = 0; e < routed.experts; ++e) matrix.at(e, 0, 0) = routed.at(0, e);
    return matrix;
  }
};

}  // namespace

MemoryCheck memory_check(Compute& compute, const ShapeZooEntry& entry) {
  const StackShape shape{.layers = 2,
                         .hidden = entry.hidden,
                         .ffn = entry.ffn,
                         .gated = entry.gated,
                         .experts = entry.experts,
                         .top_k = entry.top_k,
                         .heads = entry.heads,
                         .sequence_length = entry.sequence_length};
  constexpr std::int64_t kSamples = 4;
  const std::vector<std::int64_t> rows(static_cast<std::size_t>(shape.layers),
                                       kSamples * shape.sequence_length * shape.top_k);
  const RankMemory predicted = rank_memory(shape, {.held_experts = shape.layers * shape.experts,
                                                   .samples = kSamples,
                                                   .rows = rows,
                                                   .sent = rows,
                                                   .ranks = 1});
  {
    const auto state = make_rank_state(shape, compute);
    state->initialise_dense(1);
    for (int layer = 0; layer < shape.layers; ++layer) {
      for (int expert = 0; expert < shape.experts; ++expert) {
        state->add_expert(layer, expert);
        state->initialise_expert(layer, expert, 1);
      }
    }
    HostLocal fabrics(1);
    const auto fabric = fabrics.fabric(0);
    PhaseLog log;
    make_stack(shape, compute)
        ->forward_backward(*state, {.seed = 1, .first_sample = 0, .samples = kSamples}, OneRank(),
                           *fabric, log);
    state->update(0, kSamples);
  }
  return {
      .what = fmt::format("{}: {} layers, {} sequences", entry.name, shape.layers, kSamples),
      .parts = fmt::format("weights {} + gradients {} + optimizer {} + activations {} + buffers {}",
                           predicted.weights, predicted.gradients, predicted.optimizer,
                           predicted.activations, predicted.buffers),
      .predicted = predicted.total(),
      .measured = static_cast<std::int64_t>(compute.peak_bytes())};
}

}  // namespace bethany
