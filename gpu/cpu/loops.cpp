#include "gpu/cpu/loops.h"

#include <algorithm>
#include <cmath>

namespace bethany::cpu {
namespace {

constexpr float kNormEpsilon = 1e-6F;

/// In the same time for every value, within 1e-7 of it. The library's branches on its argument:
/// with that, rows of zeros, which pad a dispatch, were cheaper than others.
float tanh_of(float v) {
  const float e = std::exp(-2 * std::abs(v));
  return std::copysign((1 - e) / (1 + e), v);
}

float gelu(float v, float& slope) {
  constexpr float kScale = 0.7978845608028654F;  // sqrt(2 / π)
  const float t = tanh_of(kScale * (v + 0.044715F * v * v * v));
  slope = 0.5F * (1 + t) + 0.5F * v * (1 - t * t) * kScale * (1 + 3 * 0.044715F * v * v);
  return 0.5F * v * (1 + t);
}

float sigmoid(float v) { return 1 / (1 + std::exp(-v)); }

float dot(const float* a, const float* b, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void gather(const float* in, const int* order, const float* weights, int top_k, std::int64_t rows,
            int width, float* out) {
  for (std::int64_t i = 0; i < rows; ++i, out += width) {
    if (order[i] < 0) {
      std::fill_n(out, width, 0.0F);
      continue;
    }
    const float* row = in + static_cast<std::int64_t>(order[i] / top_k) * width;
    if (weights == nullptr) {
      std::copy_n(row, width, out);
      continue;
    }
    const float weight = weights[order[i]];
    for (int c = 0; c < width; ++c) out[c] = weight * row[c];
  }
}

void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                 std::int64_t tokens, int width, float* out) {
  for (std::int64_t t = 0; t < tokens; ++t, out += width) {
    std::fill_n(out, width, 0.0F);
    for (std::int64_t pair = t * top_k; pair < (t + 1) * top_k; ++pair) {
      const float* row = in + static_cast<std::int64_t>(position[pair]) * width;
      const float weight = weights == nullptr ? 1.0F : weights[pair];
      for (int c = 0; c < width; ++c) out[c] += weight * row[c];
    }
  }
}

void row_dot(const float* a, const float* b, const int* position, int top_k, std::int64_t pairs,
             int width, float* out) {
  for (std::int64_t p = 0; p < pairs; ++p) {
    out[p] = dot(a + p / top_k * width, b + static_cast<std::int64_t>(position[p]) * width, width);
  }
}

void activation_forward(const ActivationShape& shape, const float* inner, float* out) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  const int width = shape.width;
  for (std::int64_t r = 0; r < shape.rows; ++r, out += width) {
    const float* gate = inner + r * width * (shape.gated ? 2 : 1);
    const float* up = gate + width;
    for (int c = 0; c < width; ++c) {
      if (exact) {
        const float positive = std::max(gate[c], 0.0F);
        out[c] = shape.gated ? folded(positive * up[c]) : positive;
      } else if (shape.gated) {
        out[c] = gate[c] * sigmoid(gate[c]) * up[c];
      } else {
        float slope = 0;
        out[c] = gelu(gate[c], slope);
      }
    }
  }
}

void activation_backward(const ActivationShape& shape, const float* inner,
                         const float* out_gradient, float* inner_gradient) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  const int width = shape.width;
  for (std::int64_t r = 0; r < shape.rows; ++r, out_gradient += width) {
    const std::int64_t at = r * width * (shape.gated ? 2 : 1);
    const float* gate = inner + at;
    const float* up = gate + width;
    float* gate_gradient = inner_gradient + at;
    float* up_gradient = gate_gradient + width;
    for (int c = 0; c < width; ++c) {
      const float g = out_gradient[c];
      if (exact && shape.gated) {
        gate_gradient[c] = gate[c] > 0 ? folded(g * up[c]) : 0.0F;
        up_gradient[c] = folded(g * std::max(gate[c], 0.0F));
      } else if (exact) {
        gate_gradient[c] = gate[c] > 0 ? g : 0.0F;
      } else if (shape.gated) {
        const float s = sigmoid(gate[c]);
        gate_gradient[c] = g * up[c] * s * (1 + gate[c] * (1 - s));
        up_gradient[c] = g * gate[c] * s;
      } else {
        float slope = 0;
        gelu(gate[c], slope);
        gate_gradient[c] = g * slope;
      }
    }
  }
}

void gate_choose(const GateShape& shape, const float* logits, int* ids) {
  for (std::int64_t t = 0; t < shape.tokens; ++t, logits += shape.experts, ids += shape.top_k) {
    for (int k = 0; k < shape.top_k; ++k) {
      int best = -1;
      for (int e = 0; e < shape.experts; ++e) {
        const bool taken = std::find(ids, ids + k, e) != ids + k;
        if (!taken && (best < 0 || logits[e] > logits[best])) best = e;
      }
      ids[k] = best;
    }
  }
}

void gate_weigh(const GateShape& shape, const float* logits, const int* ids, float* probabilities,
                float* weights) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  for (std::int64_t t = 0; t < shape.tokens; ++t) {
    const float* logit = logits + t * shape.experts;
    const int* chosen = ids + t * shape.top_k;
    float* weight = weights + t * shape.top_k;
    if (exact) {
      for (int k = 0; k < shape.top_k; ++k) {
        const float value = folded(logit[chosen[k]]);
        weight[k] = value == 0 ? 1.0F : value;
      }
      continue;
    }
    float* probability = probabilities + t * shape.experts;
    const float largest = *std::max_element(logit, logit + shape.experts);
    float sum = 0;
    for (int e = 0; e < shape.experts; ++e) {
      probability[e] = std::exp(logit[e] - largest);
      sum += probability[e];
    }
    for (int e = 0; e < shape.experts; ++e) probability[e] /= sum;
    for (int k = 0; k < shape.top_k; ++k) weight[k] = probability[chosen[k]];
  }
}

void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                   const float* weight_gradient, float* logit_gradient) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  std::fill_n(logit_gradient, shape.tokens * shape.experts, 0.0F);
  for (std::int64_t t = 0; t < shape.tokens; ++t) {
    const int* chosen = ids + t * shape.top_k;
    const float* gradient = weight_gradient + t * shape.top_k;
    float* out = logit_gradient + t * shape.experts;
    if (exact) {
      for (int k = 0; k < shape.top_k; ++k) out[chosen[k]] = gradient[k];
      continue;
    }
    const float* probability = probabilities + t * shape.experts;
    float mean = 0;  // of the gradient, under the probabilities
    for (int k = 0; k < shape.top_k; ++k) mean += gradient[k] * probability[chosen[k]];
    for (int e = 0; e < shape.experts; ++e) out[e] = -probability[e] * mean;
    for (int k = 0; k < shape.top_k; ++k) out[chosen[k]] += probability[chosen[k]] * gradient[k];
  }
}

void causal_forward(const CausalShape& shape, float* scores) {
  const int length = shape.length;
  for (std::int64_t m = 0; m < shape.matrices; ++m) {
    for (int i = 0; i < length; ++i, scores += length) {
      std::fill(scores + i + 1, scores + length, 0.0F);
      if (shape.arithmetic == Arithmetic::exact) {
        for (int j = 0; j <= i; ++j) scores[j] = folded(scores[j]);
        continue;
      }
      const float largest = *std::max_element(scores, scores + i + 1);
      float sum = 0;
      for (int j = 0; j <= i; ++j) {
        scores[j] = std::exp(shape.scale * (scores[j] - largest));
        sum += scores[j];
      }
      for (int j = 0; j <= i; ++j) scores[j] /= sum;
    }
  }
}

void causal_backward(const CausalShape& shape, const float* probabilities, float* gradient) {
  const int length = shape.length;
  for (std::int64_t m = 0; m < shape.matrices; ++m) {
    for (int i = 0; i < length; ++i, gradient += length, probabilities += length) {
      std::fill(gradient + i + 1, gradient + length, 0.0F);
      if (shape.arithmetic == Arithmetic::exact) {
        for (int j = 0; j <= i; ++j) gradient[j] = folded(gradient[j]);
        continue;
      }
      const float mean = dot(probabilities, gradient, i + 1);
      for (int j = 0; j <= i; ++j) {
        gradient[j] = shape.scale * probabilities[j] * (gradient[j] - mean);
      }
    }
  }
}

void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                  float* inverse) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  const auto width = static_cast<float>(shape.width);
  for (std::int64_t r = 0; r < shape.rows; ++r, x += shape.width, out += shape.width) {
    inverse[r] = exact ? 1.0F : 1 / std::sqrt(dot(x, x, shape.width) / width + kNormEpsilon);
    for (int c = 0; c < shape.width; ++c) {
      const float value = x[c] * inverse[r] * gain[c];
      out[c] = exact ? folded(value) : value;
    }
  }
}

void norm_backward(const NormShape& shape, const float* x, const float* gain, const float* inverse,
                   const float* out_gradient, float* x_gradient, float* gain_gradient) {
  const bool exact = shape.arithmetic == Arithmetic::exact;
  const int width = shape.width;
  for (std::int64_t r = 0; r < shape.rows;
       ++r, x += width, out_gradient += width, x_gradient += width) {
    float along = 0;  // of the gradient on the row's direction
    for (int c = 0; c < width; ++c) {
      gain_gradient[c] += out_gradient[c] * x[c] * inverse[r];
      along += out_gradient[c] * gain[c] * x[c];
    }
    along *= inverse[r] * inverse[r] / static_cast<float>(width);
    for (int c = 0; c < width; ++c) {
      const float direct = out_gradient[c] * gain[c];
      if (exact) {
        x_gradient[c] = folded(x_gradient[c] + direct);
      } else {
        x_gradient[c] += inverse[r] * (direct - along * x[c]);
      }
    }
  }
}

void adam(const OptimizerArrays& arrays, std::int64_t count, const AdamArguments& arguments) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = arrays.gradient[i] * arguments.gradient_scale;
    const float m = arguments.beta1 * arrays.momentum[i] + (1 - arguments.beta1) * g;
    const float v = arguments.beta2 * arrays.variance[i] + (1 - arguments.beta2) * g * g;
    arrays.momentum[i] = m;
    arrays.variance[i] = v;
    arrays.weights[i] -=
        arguments.rate * m * arguments.bias1 / (std::sqrt(v * arguments.bias2) + arguments.epsilon);
  }
}

void exact_update(const OptimizerArrays& arrays, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = folded(arrays.gradient[i]);
    const float m = folded(2 * arrays.momentum[i] + g);
    const float v = folded(3 * arrays.variance[i] + m * g);
    arrays.momentum[i] = m;
    arrays.variance[i] = v;
    arrays.weights[i] = folded(arrays.weights[i] - m + v);
  }
}

}  // namespace bethany::cpu
