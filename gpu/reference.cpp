#include "gpu/reference.h"

#include <bit>
#include <cmath>
#include <limits>

#include "sim/base/check.h"

namespace bethany {
namespace {

std::size_t z(int value) { return static_cast<std::size_t>(value); }

double gelu_slope(double v, double& value) {
  constexpr double kScale = 0.7978845608028654;  // sqrt(2 / π)
  const double inner = kScale * (v + 0.044715 * v * v * v);
  const double t = std::tanh(inner);
  value = 0.5 * v * (1 + t);
  return 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * kScale * (1 + 3 * 0.044715 * v * v);
}

/// One token through one expert; what the backward pass needs is kept.
struct ExpertPass {
  const LayerInput* in;
  std::size_t expert;
  std::size_t token;
  std::vector<double> inner;       // before the activation
  std::vector<double> activation;  // after it
  std::vector<double> out;

  std::size_t width() const { return z(in->ffn) * (in->gated ? 2 : 1); }
  double in_weight(std::size_t row, std::size_t column) const {
    return in->in_weights[(expert * width() + row) * z(in->hidden) + column];
  }
  double out_weight(std::size_t row, std::size_t column) const {
    return in->out_weights[(expert * z(in->hidden) + row) * z(in->ffn) + column];
  }

  ExpertPass(const LayerInput& input, int expert_id, int token_id)
      : in(&input), expert(z(expert_id)), token(z(token_id)) {
    const std::size_t hidden = z(input.hidden);
    const std::size_t ffn = z(input.ffn);
    for (std::size_t r = 0; r < width(); ++r) {
      double sum = 0;
      for (std::size_t c = 0; c < hidden; ++c) {
        sum += in_weight(r, c) * input.x[token * hidden + c];
      }
      inner.push_back(sum);
    }
    for (std::size_t f = 0; f < ffn; ++f) {
      double value = 0;
      if (input.gated) {
        value = inner[f] / (1 + std::exp(-inner[f])) * inner[ffn + f];
      } else {
        gelu_slope(inner[f], value);
      }
      activation.push_back(value);
    }
    for (std::size_t r = 0; r < hidden; ++r) {
      double sum = 0;
      for (std::size_t f = 0; f < ffn; ++f) sum += out_weight(r, f) * activation[f];
      out.push_back(sum);
    }
  }

  /// Adds the gradients that flow back for d(loss)/d(out) = `gradient`.
  void backward(const std::vector<double>& gradient, LayerOutput& result) const {
    const std::size_t hidden = z(in->hidden);
    const std::size_t ffn = z(in->ffn);
    std::vector<double> inner_gradient(width());
    for (std::size_t f = 0; f < ffn; ++f) {
      double sum = 0;
      for (std::size_t r = 0; r < hidden; ++r) {
        sum += out_weight(r, f) * gradient[r];
        result.out_weights_gradient[(expert * hidden + r) * ffn + f] += gradient[r] * activation[f];
      }
      if (in->gated) {
        const double s = 1 / (1 + std::exp(-inner[f]));
        inner_gradient[f] = sum * inner[ffn + f] * s * (1 + inner[f] * (1 - s));
        inner_gradient[ffn + f] = sum * inner[f] * s;
      } else {
        double ignored = 0;
        inner_gradient[f] = sum * gelu_slope(inner[f], ignored);
      }
    }
    for (std::size_t r = 0; r < width(); ++r) {
      for (std::size_t c = 0; c < hidden; ++c) {
        result.in_weights_gradient[(expert * width() + r) * hidden + c] +=
            inner_gradient[r] * in->x[token * hidden + c];
        result.x_gradient[token * hidden + c] += inner_gradient[r] * in_weight(r, c);
      }
    }
  }
};

float to_bf16(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return std::bit_cast<float>((bits + 0x8000U) & 0xFFFF0000U);
}

}  // namespace

LayerOutput reference_layer(const LayerInput& input) {
  LayerOutput result;
  const std::size_t hidden = z(input.hidden);
  result.y.assign(z(input.tokens) * hidden, 0);
  result.x_gradient.assign(z(input.tokens) * hidden, 0);
  result.weights_gradient.assign(z(input.tokens * input.top_k), 0);
  result.in_weights_gradient.assign(input.in_weights.size(), 0);
  result.out_weights_gradient.assign(input.out_weights.size(), 0);
  for (int token = 0; token < input.tokens; ++token) {
    for (int k = 0; k < input.top_k; ++k) {
      const std::size_t pair = z(token * input.top_k + k);
      const ExpertPass pass(input, input.expert_ids[pair], token);
      std::vector<double> gradient(hidden);
      for (std::size_t c = 0; c < hidden; ++c) {
        const double dy = input.y_gradient[z(token) * hidden + c];
        result.y[z(token) * hidden + c] += input.weights[pair] * pass.out[c];
        result.weights_gradient[pair] += dy * pass.out[c];
        gradient[c] = dy * input.weights[pair];
      }
      pass.backward(gradient, result);
    }
  }
  return result;
}

double reference_loss(const LayerInput& input) {
  const auto result = reference_layer(input);
  double loss = 0;
  for (std::size_t i = 0; i < result.y.size(); ++i) loss += result.y[i] * input.y_gradient[i];
  return loss;
}

void reference_adam(AdamState& state, const std::vector<float>& gradient,
                    const AdamOptions& options) {
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i];
    const double m = options.beta1 * state.momentum[i] + (1 - options.beta1) * g;
    const double v = options.beta2 * state.variance[i] + (1 - options.beta2) * g * g;
    const double unbiased_m = m / (1 - std::pow(options.beta1, options.step));
    const double unbiased_v = v / (1 - std::pow(options.beta2, options.step));
    state.momentum[i] = static_cast<float>(m);
    state.variance[i] = static_cast<float>(v);
    state.master[i] = static_cast<float>(
        state.master[i] - options.rate * unbiased_m / (std::sqrt(unbiased_v) + options.epsilon));
  }
}

LayerInput random_layer(LayerInput sizes, Rng& rng) {
  BETHANY_CHECK(sizes.top_k <= sizes.experts - (sizes.experts > 2 ? 1 : 0), "top {} of {} experts",
                sizes.top_k, sizes.experts);
  LayerInput input = std::move(sizes);
  const auto fill = [&rng](std::size_t count, double scale) {
    std::vector<float> values(count);
    for (auto& value : values) value = to_bf16(rng.normal() * scale);
    return values;
  };
  const std::size_t hidden = z(input.hidden);
  const std::size_t ffn = z(input.ffn);
  const std::size_t experts = z(input.experts);
  input.x = fill(z(input.tokens) * hidden, 1);
  input.y_gradient = fill(z(input.tokens) * hidden, 1);
  input.in_weights = fill(experts * ffn * (input.gated ? 2 : 1) * hidden,
                          1 / std::sqrt(static_cast<double>(hidden)));
  input.out_weights = fill(experts * hidden * ffn, 1 / std::sqrt(static_cast<double>(ffn)));
  for (int token = 0; token < input.tokens; ++token) {
    std::vector<int> ids;
    for (int e = 0; e < input.experts; ++e) {
      if (e != 1 || input.experts < 3) ids.push_back(e);
    }
    rng.shuffle(ids);
    for (int k = 0; k < input.top_k; ++k) {
      input.expert_ids.push_back(ids[z(k)]);
      input.weights.push_back(to_bf16(rng.unit()));
    }
  }
  return input;
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr double kApart = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kApart;
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  if (!std::isfinite(difference)) return kApart;
  if (size == 0) return difference == 0 ? 0 : kApart;
  return std::sqrt(difference / size);
}

}  // namespace bethany
