#include "gpu/layer/moe_layer.h"

#include <numeric>

#include "gpu/layer/parameters.h"
#include "sim/base/check.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

std::int64_t offset(const std::vector<std::int64_t>& rows, int rank) {
  return std::accumulate(rows.begin(), rows.begin() + rank, std::int64_t{0});
}

}  // namespace

MoeLayer::MoeLayer(const StackShape& shape, int layer, Compute& compute, MoeScratch& scratch)
    : BlockPart(shape, layer, compute),
      scratch_(scratch),
      logits_(compute),
      probabilities_(compute),
      weights_(compute),
      ids_(compute),
      send_order_(compute),
      send_position_(compute),
      expert_order_(compute),
      receive_position_(compute),
      expert_in_(compute),
      inner_(compute),
      activation_(compute),
      returned_(compute) {}

GateShape MoeLayer::gate_shape() const {
  return {.arithmetic = arithmetic(),
          .tokens = tokens_,
          .experts = shape_.experts,
          .top_k = shape_.top_k};
}

ActivationShape MoeLayer::activation_shape(std::int64_t rows) const {
  return {.arithmetic = arithmetic(), .gated = shape_.gated, .rows = rows, .width = shape_.ffn};
}

void MoeLayer::forward(RankContext& at, const float* x, const float* residual, std::int64_t tokens,
                       float* out) {
  x_ = x;
  tokens_ = tokens;
  choose(at);
  exchange_counts(at);
  build_map(at);
  dispatch(at);
  run_experts(at);
  const std::int64_t rows = map_.received();
  float* returned = returned_.reserve(map_.sent() * shape_.hidden);
  float* there = scratch_.there.data();
  phase(at, "gather", [&] {
    compute_.gather(scratch_.expert_out.data(), receive_position_.data(), nullptr, 1, rows,
                    shape_.hidden, there);
    copy_own(at, there, map_.receive_rows, returned, map_.send_rows);
  });
  exchange(at, "collect", there, map_.receive_rows, returned, map_.send_rows);
  phase(at, "combine", [&] {
    compute_.scatter_sum(returned, send_position_.data(), weights_.data(), shape_.top_k, tokens,
                         shape_.hidden, out);
    compute_.add(out, residual, tokens * shape_.hidden);
    settle(out, tokens * shape_.hidden);
  });
}

/// Which experts the rank's tokens go to, and with which weights.
void MoeLayer::choose(RankContext& at) {
  std::vector<int> forced;
  at.log.on_host([&] { forced = at.router.forced(layer_, at.fabric.rank(), tokens_); });
  BETHANY_CHECK(forced.empty() || forced.size() == z(pairs()), "{} forced experts for {} pairs",
                forced.size(), pairs());
  phase(at, "gate", [&] {
    const GateShape gate = gate_shape();
    float* logits = logits_.reserve(tokens_ * shape_.experts);
    int* ids = ids_.reserve(pairs());
    compute_.product(
        {.rows = tokens_, .columns = shape_.experts, .inner = shape_.hidden, .b_transposed = true},
        x_, at.state.dense_weights() + dense_layout(shape_, layer_).gate, logits);
    if (forced.empty()) {
      compute_.gate_choose(gate, logits, ids);
    } else {
      compute_.upload(ids, forced.data(), forced.size() * sizeof(int));
    }
    compute_.gate_weigh(gate, logits, ids, probabilities_.reserve(tokens_ * shape_.experts),
                        weights_.reserve(pairs()));
    host_ids_.resize(z(pairs()));
    compute_.download(host_ids_.data(), ids, host_ids_.size() * sizeof(int));
  });
}

/// Every rank tells all others how many pairs it routes to each expert.
void MoeLayer::exchange_counts(RankContext& at) {
  const int ranks = at.fabric.ranks();
  const std::int64_t experts = shape_.experts;
  std::int64_t* counts = scratch_.counts.reserve(ranks * experts);
  std::int64_t* own = counts + at.fabric.rank() * experts;
  const std::size_t bytes = z(experts) * sizeof(std::int64_t);
  const auto mine = pairs_by_expert(host_ids_, shape_.experts);
  compute_.upload(own, mine.data(), bytes);
  compute_.synchronize();
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int peer = 0; peer < ranks; ++peer) {
    if (peer == at.fabric.rank()) continue;
    sends.push_back({.to = peer, .data = own, .bytes = bytes});
    receives.push_back({.from = peer, .data = counts + peer * experts, .bytes = bytes});
  }
  at.log.book("counts", layer_, at.fabric.exchange(sends, receives));
  routed_ = TokenCounts(ranks, shape_.experts);
  compute_.download(routed_.values.data(), counts, routed_.values.size() * sizeof(std::int64_t));
}

void MoeLayer::build_map(RankContext& at) {
  phase(at, "routing_sort", [&] {
    map_ = routing_map(host_ids_, at.router.matrix(layer_, routed_), at.fabric.rank());
    send_order_.upload(map_.send_order);
    send_position_.upload(map_.send_position);
    expert_order_.upload(map_.expert_order);
    receive_position_.upload(map_.receive_position);
  });
}

/// The tokens' vectors to the ranks of their experts, and there into expert order.
void MoeLayer::dispatch(RankContext& at) {
  const int hidden = shape_.hidden;
  const std::int64_t rows = map_.received();
  float* here = scratch_.here.reserve(map_.sent() * hidden);
  float* there = scratch_.there.reserve(rows * hidden);
  phase(at, "gather", [&] {
    compute_.gather(x_, send_order_.data(), nullptr, shape_.top_k, map_.sent(), hidden, here);
    copy_own(at, here, map_.send_rows, there, map_.receive_rows);
  });
  exchange(at, "dispatch", here, map_.send_rows, there, map_.receive_rows);
  phase(at, "gather", [&] {
    compute_.gather(there, expert_order_.data(), nullptr, 1, rows, hidden,
                    expert_in_.reserve(rows * hidden));
  });
}

void MoeLayer::run_experts(RankContext& at) {
  const std::int64_t rows = map_.received();
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t width = inner_width();
  const ExpertLayout layout = expert_layout(shape_);
  float* inner = inner_.reserve(rows * width);
  float* activation = activation_.reserve(rows * shape_.ffn);
  float* out = scratch_.expert_out.reserve(rows * hidden);
  phase(at, "expert_forward", [&] {
    for (const auto& part : map_.experts) {
      const float* weights = at.state.expert_weights(layer_, part.expert) + layout.in;
      compute_.product({.rows = part.rows, .columns = width, .inner = hidden, .b_transposed = true},
                       expert_in_.data() + part.first * hidden, weights,
                       inner + part.first * width);
    }
    settle(inner, rows * width);
    compute_.activation_forward(activation_shape(rows), inner, activation);
    for (const auto& part : map_.experts) {
      const float* weights = at.state.expert_weights(layer_, part.expert) + layout.out;
      compute_.product(
          {.rows = part.rows, .columns = hidden, .inner = shape_.ffn, .b_transposed = true},
          activation + part.first * shape_.ffn, weights, out + part.first * hidden);
    }
    settle(out, rows * hidden);
  });
}

void MoeLayer::backward(RankContext& at, const float* out_gradient, float* x_gradient) {
  const int hidden = shape_.hidden;
  const std::int64_t rows = map_.received();
  float* here = scratch_.here.reserve(map_.sent() * hidden);
  float* there = scratch_.there.reserve(rows * hidden);
  float* weight_gradient = scratch_.small.reserve(pairs());
  phase(at, "gate_backward", [&] {
    compute_.row_dot(out_gradient, returned_.data(), send_position_.data(), shape_.top_k, pairs(),
                     hidden, weight_gradient);
    settle(weight_gradient, pairs());
  });
  phase(at, "gather", [&] {
    compute_.gather(out_gradient, send_order_.data(), weights_.data(), shape_.top_k, map_.sent(),
                    hidden, here);
    settle(here, map_.sent() * hidden);
    copy_own(at, here, map_.send_rows, there, map_.receive_rows);
  });
  exchange(at, "collect_backward", here, map_.send_rows, there, map_.receive_rows);
  float* expert_gradient = scratch_.expert_gradient.reserve(rows * hidden);
  phase(at, "gather", [&] {
    compute_.gather(there, expert_order_.data(), nullptr, 1, rows, hidden, expert_gradient);
  });
  experts_backward(at);
  phase(at, "gather", [&] {
    compute_.gather(scratch_.expert_out.data(), receive_position_.data(), nullptr, 1, rows, hidden,
                    there);
    copy_own(at, there, map_.receive_rows, here, map_.send_rows);
  });
  exchange(at, "dispatch_backward", there, map_.receive_rows, here, map_.send_rows);
  phase(at, "combine", [&] {
    compute_.scatter_sum(here, send_position_.data(), nullptr, shape_.top_k, tokens_, hidden,
                         x_gradient);
  });
  gate_backward(at, x_gradient);
}

/// Gradients of the experts' outputs (scratch_.expert_gradient) to those of their parameters and
/// inputs (scratch_.expert_out).
void MoeLayer::experts_backward(RankContext& at) {
  const std::int64_t rows = map_.received();
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t ffn = shape_.ffn;
  const std::int64_t width = inner_width();
  const ExpertLayout layout = expert_layout(shape_);
  const float* gradient = scratch_.expert_gradient.data();
  float* activation_gradient = scratch_.activation_gradient.reserve(rows * ffn);
  float* inner_gradient = scratch_.inner_gradient.reserve(rows * width);
  float* in_gradient = scratch_.expert_out.reserve(rows * hidden);
  phase(at, "expert_backward", [&] {
    for (const auto& part : map_.experts) {
      const float* out = gradient + part.first * hidden;
      compute_.product({.rows = part.rows, .columns = ffn, .inner = hidden}, out,
                       at.state.expert_weights(layer_, part.expert) + layout.out,
                       activation_gradient + part.first * ffn);
      compute_.product({.rows = hidden,
                        .columns = ffn,
                        .inner = part.rows,
                        .a_transposed = true,
                        .accumulate = true},
                       out, activation_.data() + part.first * ffn,
                       at.state.expert_gradient(layer_, part.expert).data() + layout.out);
    }
    settle(activation_gradient, rows * ffn);
    compute_.activation_backward(activation_shape(rows), inner_.data(), activation_gradient,
                                 inner_gradient);
    for (const auto& part : map_.experts) {
      const float* inner = inner_gradient + part.first * width;
      compute_.product({.rows = part.rows, .columns = hidden, .inner = width}, inner,
                       at.state.expert_weights(layer_, part.expert) + layout.in,
                       in_gradient + part.first * hidden);
      compute_.product({.rows = width,
                        .columns = hidden,
                        .inner = part.rows,
                        .a_transposed = true,
                        .accumulate = true},
                       inner, expert_in_.data() + part.first * hidden,
                       at.state.expert_gradient(layer_, part.expert).data() + layout.in);
    }
    settle(in_gradient, rows * hidden);
  });
}

/// From the gradients of the gate's weights (scratch_.small) to those of its product.
void MoeLayer::gate_backward(RankContext& at, float* x_gradient) {
  const std::int64_t gate_at = dense_layout(shape_, layer_).gate;
  float* gradient = scratch_.logit_gradient.reserve(tokens_ * shape_.experts);
  phase(at, "gate_backward", [&] {
    compute_.gate_backward(gate_shape(), ids_.data(), probabilities_.data(), scratch_.small.data(),
                           gradient);
    compute_.product({.rows = shape_.experts,
                      .columns = shape_.hidden,
                      .inner = tokens_,
                      .a_transposed = true,
                      .accumulate = true},
                     gradient, x_, at.state.dense_gradient().data() + gate_at);
    compute_.product(
        {.rows = tokens_, .columns = shape_.hidden, .inner = shape_.experts, .accumulate = true},
        gradient, at.state.dense_weights() + gate_at, x_gradient);
    settle(x_gradient, tokens_ * shape_.hidden);
  });
}

/// The rows that stay on this rank.
void MoeLayer::copy_own(RankContext& at, const float* from,
                        const std::vector<std::int64_t>& from_rows, float* to,
                        const std::vector<std::int64_t>& to_rows) {
  const int rank = at.fabric.rank();
  const std::int64_t rows = from_rows[z(rank)];
  if (rows == 0) return;
  compute_.copy(to + offset(to_rows, rank) * shape_.hidden,
                from + offset(from_rows, rank) * shape_.hidden,
                z(rows * shape_.hidden) * sizeof(float));
}

/// The rows for the other ranks and theirs for this one, each side in the order of ranks.
void MoeLayer::exchange(RankContext& at, std::string_view name, const float* from,
                        const std::vector<std::int64_t>& from_rows, float* to,
                        const std::vector<std::int64_t>& to_rows) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  const auto bytes = [&](std::int64_t rows) { return z(rows * shape_.hidden) * sizeof(float); };
  for (int peer = 0; peer < at.fabric.ranks(); ++peer) {
    const std::int64_t out = from_rows[z(peer)];
    const std::int64_t in = to_rows[z(peer)];
    if (peer != at.fabric.rank()) {
      if (out > 0) sends.push_back({.to = peer, .data = from, .bytes = bytes(out)});
      if (in > 0) receives.push_back({.from = peer, .data = to, .bytes = bytes(in)});
    }
    from += out * shape_.hidden;
    to += in * shape_.hidden;
  }
  at.log.book(name, layer_, at.fabric.exchange(sends, receives));
}

}  // namespace bethany
