#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bethany {

/// One MoE layer on one rank with its gradients, as plain arrays. Row-major throughout.
struct LayerInput {
  int tokens = 0;
  int hidden = 0;
  int ffn = 0;
  int experts = 0;
  int top_k = 1;
  bool gated = false;              // SwiGLU, else GELU (tanh form)
  std::vector<float> x;            // tokens × hidden
  std::vector<int> expert_ids;     // tokens × top_k
  std::vector<float> weights;      // tokens × top_k: of the gate
  std::vector<float> in_weights;   // experts × (ffn, or 2·ffn when gated: gate then up) × hidden
  std::vector<float> out_weights;  // experts × hidden × ffn
  std::vector<float> y_gradient;   // tokens × hidden
};

struct LayerOutput {
  std::vector<double> y;                     // tokens × hidden
  std::vector<double> x_gradient;            // tokens × hidden
  std::vector<double> weights_gradient;      // tokens × top_k
  std::vector<double> in_weights_gradient;   // as in_weights
  std::vector<double> out_weights_gradient;  // as out_weights
};

struct AdamOptions {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  int step = 1;  // from 1
};

struct AdamState {
  std::vector<float> master;
  std::vector<float> momentum;
  std::vector<float> variance;
};

/// What a backend computes, for checks against the reference. Values pass through the given
/// precision, one of precisions() ("fp32", "bf16", "fp16"); accumulation is in float.
class Numerics {
 public:
  virtual ~Numerics() = default;
  virtual std::vector<std::string> precisions() const = 0;
  virtual LayerOutput layer(const LayerInput& input, const std::string& precision,
                            const std::string& variant) = 0;
  /// One step on a gradient in that precision. Answers the weights that products read: the masters
  /// in that precision.
  virtual std::vector<double> adam(AdamState& state, const std::vector<float>& gradient,
                                   const AdamOptions& options, const std::string& precision) = 0;
  /// Sums the slices element by element, in order.
  virtual std::vector<float> slice_sum(const std::vector<std::vector<float>>& slices) = 0;
  /// x · weightᵀ for x (rows × in) and weight (out × in) in that precision; floats come out.
  virtual std::vector<double> logits(const std::vector<float>& x, const std::vector<float>& weight,
                                     int rows, int in, int out, const std::string& precision) = 0;
  /// Softmax and the k largest of each row of logits: ids and probabilities, largest first, ties to
  /// the lower id.
  virtual void top_k(const std::vector<float>& logits, int rows, int experts, int k,
                     std::vector<int>& ids, std::vector<float>& probabilities) = 0;
};

}  // namespace bethany
