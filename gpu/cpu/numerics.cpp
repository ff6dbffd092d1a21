#include <cmath>

#include "gpu/cpu/operations.h"
#include "gpu/layer/routing_map.h"

namespace bethany::cpu {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

std::vector<double> widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// A whole layer on one rank; arrays of the host are arrays of the device.
class LayerOnOneRank {
 public:
  LayerOnOneRank(Compute& compute, const LayerInput& input) : c_(compute), in_(input) {
    TokenMatrix matrix(1, in_.experts);
    const auto counts = pairs_by_expert(in_.expert_ids, in_.experts);
    for (int e = 0; e < in_.experts; ++e) matrix.at(e, 0, 0) = counts[z(e)];
    map_ = routing_map(in_.expert_ids, matrix, 0);
    rows_ = map_.received();
    width_ = in_.ffn * (in_.gated ? 2 : 1);
  }

  LayerOutput run() {
    const int hidden = in_.hidden;
    const auto into = [&](const std::vector<float>& tokens, const float* weights) {
      std::vector<float> here(z(rows_ * hidden));
      std::vector<float> there(here.size());
      c_.gather(tokens.data(), map_.send_order.data(), weights, in_.top_k, rows_, hidden,
                here.data());
      c_.gather(here.data(), map_.expert_order.data(), nullptr, 1, rows_, hidden, there.data());
      return there;
    };
    const auto back = [&](const std::vector<float>& rows) {
      std::vector<float> here(rows.size());
      c_.gather(rows.data(), map_.receive_position.data(), nullptr, 1, rows_, hidden, here.data());
      return here;
    };
    const auto sum = [&](const std::vector<float>& rows, const float* weights) {
      std::vector<float> tokens(z(in_.tokens) * z(hidden));
      c_.scatter_sum(rows.data(), map_.send_position.data(), weights, in_.top_k, in_.tokens, hidden,
                     tokens.data());
      return tokens;
    };
    forward(into(in_.x, nullptr));
    const auto returned = back(out_);
    LayerOutput result;
    result.y = widened(sum(returned, in_.weights.data()));
    std::vector<float> weights_gradient(in_.weights.size());
    c_.row_dot(in_.y_gradient.data(), returned.data(), map_.send_position.data(), in_.top_k, rows_,
               hidden, weights_gradient.data());
    result.weights_gradient = widened(weights_gradient);
    result.x_gradient =
        widened(sum(back(backward(into(in_.y_gradient, in_.weights.data()))), nullptr));
    result.in_weights_gradient = widened(in_weights_gradient_);
    result.out_weights_gradient = widened(out_weights_gradient_);
    return result;
  }

 private:
  ActivationShape activation() const {
    return {.gated = in_.gated, .rows = rows_, .width = in_.ffn};
  }
  std::int64_t in_size() const { return width_ * in_.hidden; }
  std::int64_t out_size() const { return std::int64_t{in_.hidden} * in_.ffn; }

  void forward(std::vector<float> rows) {
    const std::int64_t hidden = in_.hidden;
    expert_in_ = std::move(rows);
    inner_.resize(z(rows_ * width_));
    activation_.resize(z(rows_ * in_.ffn));
    out_.resize(z(rows_ * hidden));
    for (const auto& e : map_.experts) {
      c_.product({.rows = e.rows, .columns = width_, .inner = hidden, .b_transposed = true},
                 expert_in_.data() + e.first * hidden, in_.in_weights.data() + e.expert * in_size(),
                 inner_.data() + e.first * width_);
    }
    c_.activation_forward(activation(), inner_.data(), activation_.data());
    for (const auto& e : map_.experts) {
      c_.product({.rows = e.rows, .columns = hidden, .inner = in_.ffn, .b_transposed = true},
                 activation_.data() + e.first * in_.ffn,
                 in_.out_weights.data() + e.expert * out_size(), out_.data() + e.first * hidden);
    }
  }

  std::vector<float> backward(const std::vector<float>& gradient) {
    const std::int64_t hidden = in_.hidden;
    const std::int64_t ffn = in_.ffn;
    in_weights_gradient_.assign(in_.in_weights.size(), 0);
    out_weights_gradient_.assign(in_.out_weights.size(), 0);
    std::vector<float> activation_gradient(activation_.size());
    std::vector<float> inner_gradient(inner_.size());
    std::vector<float> in_gradient(expert_in_.size());
    for (const auto& e : map_.experts) {
      const float* out = gradient.data() + e.first * hidden;
      c_.product({.rows = e.rows, .columns = ffn, .inner = hidden}, out,
                 in_.out_weights.data() + e.expert * out_size(),
                 activation_gradient.data() + e.first * ffn);
      c_.product({.rows = hidden, .columns = ffn, .inner = e.rows, .a_transposed = true}, out,
                 activation_.data() + e.first * ffn,
                 out_weights_gradient_.data() + e.expert * out_size());
    }
    c_.activation_backward(activation(), inner_.data(), activation_gradient.data(),
                           inner_gradient.data());
    for (const auto& e : map_.experts) {
      const float* inner = inner_gradient.data() + e.first * width_;
      c_.product({.rows = e.rows, .columns = hidden, .inner = width_}, inner,
                 in_.in_weights.data() + e.expert * in_size(),
                 in_gradient.data() + e.first * hidden);
      c_.product({.rows = width_, .columns = hidden, .inner = e.rows, .a_transposed = true}, inner,
                 expert_in_.data() + e.first * hidden,
                 in_weights_gradient_.data() + e.expert * in_size());
    }
    return in_gradient;
  }

  Compute& c_;
  const LayerInput& in_;
  RoutingMap map_;
  std::int64_t rows_ = 0;
  std::int64_t width_ = 0;
  std::vector<float> expert_in_, inner_, activation_, out_;
  std::vector<float> in_weights_gradient_, out_weights_gradient_;
};

class CpuNumerics final : public Numerics {
 public:
  explicit CpuNumerics(Compute& compute) : compute_(compute) {}

  std::vector<std::string> precisions() const override { return {"fp32"}; }
  LayerOutput layer(const LayerInput& input, const std::string&, const std::string&) override {
    return LayerOnOneRank(compute_, input).run();
  }
  std::vector<double> adam(AdamState& state, const std::vector<float>& gradient,
                           const AdamOptions& options, const std::string&) override {
    AdamArguments arguments;
    arguments.rate = static_cast<float>(options.rate);
    arguments.beta1 = static_cast<float>(options.beta1);
    arguments.beta2 = static_cast<float>(options.beta2);
    arguments.epsilon = static_cast<float>(options.epsilon);
    arguments.bias1 = static_cast<float>(1 / (1 - std::pow(options.beta1, options.step)));
    arguments.bias2 = static_cast<float>(1 / (1 - std::pow(options.beta2, options.step)));
    compute_.adam({.weights = state.master.data(),
                   .momentum = state.momentum.data(),
                   .variance = state.variance.data(),
                   .gradient = gradient.data()},
                  static_cast<std::int64_t>(gradient.size()), arguments);
    return widened(state.master);
  }
  std::vector<double> logits(const std::vector<float>& x, const std::vector<float>& weight,
                             int rows, int in, int out, const std::string&) override {
    std::vector<float> logits(z(rows) * z(out));
    compute_.product({.rows = rows, .columns = out, .inner = in, .b_transposed = true}, x.data(),
                     weight.data(), logits.data());
    return widened(logits);
  }
  std::vector<float> slice_sum(const std::vector<std::vector<float>>& slices) override {
    std::vector<const float*> pointers;
    for (const auto& slice : slices) pointers.push_back(slice.data());
    std::vector<float> sum(slices.front().size());
    compute_.slice_sum(pointers, static_cast<std::int64_t>(sum.size()), sum.data());
    return sum;
  }
  void top_k(const std::vector<float>& logits, int rows, int experts, int k, std::vector<int>& ids,
             std::vector<float>& probabilities) override {
    const GateShape shape{.tokens = rows, .experts = experts, .top_k = k};
    ids.resize(z(rows) * z(k));
    probabilities.resize(ids.size());
    std::vector<float> all(logits.size());
    compute_.gate_choose(shape, logits.data(), ids.data());
    compute_.gate_weigh(shape, logits.data(), ids.data(), all.data(), probabilities.data());
  }

 private:
  Compute& compute_;
};

}  // namespace

std::unique_ptr<Numerics> numerics_of(Compute& compute) {
  return std::make_unique<CpuNumerics>(compute);
}

}  // namespace bethany::cpu
