#pragma once

#include <cstdint>

#include "gpu/layer/block.h"

namespace bethany {

/// What the attention's backward pass needs for a moment; all layers of a stack share one.
struct AttentionScratch {
  explicit AttentionScratch(Compute& compute)
      : rows(compute), qkv_gradient(compute), score_gradient(compute) {}
  DeviceArray<float> rows;
  DeviceArray<float> qkv_gradient;
  DeviceArray<float> score_gradient;
};

/// The dense half of one block: norm, causal attention of several heads, residual, and the norm of
/// the MoE layer's input. All of it stays on the rank that has the sample.
class Attention : BlockPart {
 public:
  Attention(const StackShape& shape, int layer, Compute& compute, AttentionScratch& scratch);

  /// From `x` (which has to stay until backward()) to residual() and normed().
  void forward(RankContext& at, const float* x, std::int64_t samples);
  const float* residual() const { return residual_.data(); }  // x + attention(norm(x))
  const float* normed() const { return normed_.data(); }      // norm(residual)

  /// `gradient`: on entry of residual() but through the norm, on return of x. Adds to the
  /// parameters' gradients.
  void backward(RankContext& at, const float* normed_gradient, float* gradient);

 private:
  std::int64_t tokens() const { return samples_ * shape_.sequence_length; }
  NormShape norm_shape() const;
  CausalShape causal_shape() const;
  void attend();
  void attend_backward(const float* context_gradient, float* qkv_gradient);
  /// Calls work(first element of a sample's first q in the rows of qkv, the same in rows of hidden,
  /// its first matrix). The heads of a sample are one batch.
  template <class Work>
  void each_sample(const Work& work) const;
  /// The products of all heads of a sample.
  ProductBatch heads(std::int64_t a_step, std::int64_t b_step, std::int64_t c_step) const;

  AttentionScratch& scratch_;
  const float* x_ = nullptr;
  std::int64_t samples_ = 0;
  DeviceArray<float> input_;  // norm(x)
  DeviceArray<float> input_inverse_;
  DeviceArray<float> qkv_;
  DeviceArray<float> probabilities_;  // [sample][head][token][token]
  DeviceArray<float> context_;        // what the heads gathered
  DeviceArray<float> residual_;
  DeviceArray<float> normed_;
  DeviceArray<float> normed_inverse_;
};

}  // namespace bethany
