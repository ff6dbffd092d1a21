#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gpu/layer/block.h"
#include "gpu/layer/routing_map.h"

namespace bethany {

/// Rows on their way; all layers of a stack share one.
struct MoeScratch {
  explicit MoeScratch(Compute& compute)
      : here(compute),
        there(compute),
        expert_out(compute),
        inner_gradient(compute),
        activation_gradient(compute),
        expert_gradient(compute),
        small(compute),
        logit_gradient(compute),
        counts(compute) {}
  DeviceArray<float> here;   // by pairs of this rank, in send order
  DeviceArray<float> there;  // by rows that this rank computes, in receive order
  DeviceArray<float> expert_out;
  DeviceArray<float> inner_gradient;
  DeviceArray<float> activation_gradient;
  DeviceArray<float> expert_gradient;
  DeviceArray<float> small;  // a number for each pair
  DeviceArray<float> logit_gradient;
  DeviceArray<std::int64_t> counts;  // what every rank routes to every expert
};

/// The MoE layer of one block on one rank: gate, dispatch of the rows to the ranks that the
/// router's matrix names, experts (each computed once, over all its rows here), collection and
/// weighted sum; and the way back.
class MoeLayer : BlockPart {
 public:
  MoeLayer(const StackShape& shape, int layer, Compute& compute, MoeScratch& scratch);

  /// out = residual + layer(x), all tokens × hidden. `x` has to stay until backward().
  void forward(RankContext& at, const float* x, const float* residual, std::int64_t tokens,
               float* out);
  /// Adds to the parameters' gradients; x_gradient from that of the output.
  void backward(RankContext& at, const float* out_gradient, float* x_gradient);

 private:
  void choose(RankContext& at);
  void exchange_counts(RankContext& at);
  void build_map(RankContext& at);
  void dispatch(RankContext& at);
  void run_experts(RankContext& at);
  void experts_backward(RankContext& at);
  void gate_backward(RankContext& at, float* x_gradient);
  void copy_own(RankContext& at, const float* from, const std::vector<std::int64_t>& from_rows,
                float* to, const std::vector<std::int64_t>& to_rows);
  void exchange(RankContext& at, std::string_view phase, const float* from,
                const std::vector<std::int64_t>& from_rows, float* to,
                const std::vector<std::int64_t>& to_rows);

  std::int64_t pairs() const { return tokens_ * shape_.top_k; }
  int inner_width() const { return shape_.ffn * (shape_.gated ? 2 : 1); }
  GateShape gate_shape() const;
  ActivationShape activation_shape(std::int64_t rows) const;

  MoeScratch& scratch_;
  // Of the last forward().
  const float* x_ = nullptr;
  std::int64_t tokens_ = 0;
  RoutingMap map_;
  std::vector<int> host_ids_;
  TokenCounts routed_;
  DeviceArray<float> logits_;
  DeviceArray<float> probabilities_;
  DeviceArray<float> weights_;
  DeviceArray<int> ids_;
  DeviceArray<int> send_order_;
  DeviceArray<int> send_position_;
  DeviceArray<int> expert_order_;
  DeviceArray<int> receive_position_;
  DeviceArray<float> expert_in_;   // rows in expert order
  DeviceArray<float> inner_;       // before the activation
  DeviceArray<float> activation_;  // after it
  DeviceArray<float> returned_;    // what the experts made of the pairs, in send order
};

}  // namespace bethany
