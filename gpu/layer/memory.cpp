#include "gpu/layer/memory.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

struct Rows {
  std::int64_t all = 0;
  std::int64_t most = 0;
};

Rows rows_of(const std::vector<std::int64_t>& layers, const StackShape& shape) {
  BETHANY_CHECK(layers.size() == static_cast<std::size_t>(shape.layers), "rows of {} layers",
                layers.size());
  return {std::accumulate(layers.begin(), layers.end(), std::int64_t{0}),
          *std::max_element(layers.begin(), layers.end())};
}

}  // namespace

RankMemory rank_memory(const StackShape& shape, const RankWork& work) {
  constexpr std::int64_t kFloat = sizeof(float);  // also of the orders' ints
  const std::int64_t tokens = work.samples * shape.sequence_length;
  const std::int64_t pairs = tokens * shape.top_k;
  const Rows computed = rows_of(work.rows, shape);
  const Rows sent = rows_of(work.sent, shape);
  const std::int64_t hidden = shape.hidden;
  const std::int64_t width = std::int64_t{shape.ffn} * (shape.gated ? 2 : 1);
  const std::int64_t scores =
      work.samples * shape.heads * shape.sequence_length * shape.sequence_length;
  RankMemory memory;
  memory.weights =
      kFloat * (shape.dense_parameters() + work.held_experts * shape.expert_parameters());
  memory.gradients = memory.weights;
  memory.optimizer = 2 * memory.weights;
  // Attention: input, q, k, v, context, residual, normed input of the experts; two norms' factors.
  const std::int64_t attention = tokens * (7 * hidden + 2) + scores;
  // Logits and probabilities; weights, ids and order of the pairs; of the computed rows two orders,
  // inputs, inner values before and after the activation; of the sent rows an order and what
  // returns.
  const std::int64_t moe = tokens * 2 * shape.experts + pairs * 3;
  const std::int64_t out = tokens * hidden;
  memory.activations =
      kFloat * (shape.layers * (attention + moe + out) +
                computed.all * (2 + hidden + width + shape.ffn) + sent.all * (1 + hidden));
  const std::int64_t attention_buffers = tokens * 4 * hidden + scores;
  const std::int64_t moe_buffers = pairs + sent.most * hidden +
                                   computed.most * (3 * hidden + width + shape.ffn) +
                                   tokens * shape.experts;
  const std::int64_t counts =
      std::int64_t{work.ranks} * shape.experts * std::int64_t{sizeof(std::int64_t)};
  const std::int64_t ends = 4 * tokens * hidden;  // input, target and two gradients
  memory.buffers = kFloat * (attention_buffers + moe_buffers + ends) + counts;
  memory.staging = kFloat * work.staged;
  return memory;
}

}  // namespace bethany
