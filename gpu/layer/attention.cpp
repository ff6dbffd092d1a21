#include "gpu/layer/attention.h"

#include <cmath>

#include "gpu/layer/parameters.h"

namespace bethany {

Attention::Attention(const StackShape& shape, int layer, Compute& compute,
                     AttentionScratch& scratch)
    : BlockPart(shape, layer, compute),
      scratch_(scratch),
      input_(compute),
      input_inverse_(compute),
      qkv_(compute),
      probabilities_(compute),
      context_(compute),
      residual_(compute),
      normed_(compute),
      normed_inverse_(compute) {}

NormShape Attention::norm_shape() const {
  return {.arithmetic = arithmetic(), .rows = tokens(), .width = shape_.hidden};
}

CausalShape Attention::causal_shape() const {
  const int head_width = shape_.hidden / shape_.heads;
  return {.arithmetic = arithmetic(),
          .matrices = samples_ * shape_.heads,
          .length = shape_.sequence_length,
          .scale = 1 / std::sqrt(static_cast<float>(head_width))};
}

void Attention::forward(RankContext& at, const float* x, std::int64_t samples) {
  x_ = x;
  samples_ = samples;
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t count = tokens() * hidden;
  const DenseLayout layout = dense_layout(shape_, layer_);
  const float* weights = at.state.dense_weights();
  float* residual = residual_.reserve(count);
  float* context = context_.reserve(count);
  phase(at, "attention_forward", [&] {
    compute_.norm_forward(norm_shape(), x, weights + layout.attention_gain, input_.reserve(count),
                          input_inverse_.reserve(tokens()));
    float* qkv = qkv_.reserve(3 * count);
    compute_.product(
        {.rows = tokens(), .columns = 3 * hidden, .inner = hidden, .b_transposed = true},
        input_.data(), weights + layout.qkv, qkv);
    settle(qkv, 3 * count);
    attend();
    compute_.copy(residual, x, static_cast<std::size_t>(count) * sizeof(float));
    compute_.product({.rows = tokens(),
                      .columns = hidden,
                      .inner = hidden,
                      .b_transposed = true,
                      .accumulate = true},
                     context, weights + layout.projection, residual);
    settle(residual, count);
    compute_.norm_forward(norm_shape(), residual, weights + layout.moe_gain, normed_.reserve(count),
                          normed_inverse_.reserve(tokens()));
  });
}

ProductBatch Attention::heads(std::int64_t a_step, std::int64_t b_step, std::int64_t c_step) const {
  return {.count = shape_.heads, .a_step = a_step, .b_step = b_step, .c_step = c_step};
}

template <class Work>
void Attention::each_sample(const Work& work) const {
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t length = shape_.sequence_length;
  for (std::int64_t sample = 0; sample < samples_; ++sample) {
    const std::int64_t row = sample * length;
    work(row * 3 * hidden, row * hidden, sample * shape_.heads * length * length);
  }
}

/// From queries, keys and values to what the heads gather.
void Attention::attend() {
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t width = hidden / shape_.heads;
  const std::int64_t length = shape_.sequence_length;
  const std::int64_t matrix_size = length * length;
  const float* qkv = qkv_.data();
  float* scores = probabilities_.reserve(samples_ * shape_.heads * length * length);
  each_sample([&](std::int64_t q, std::int64_t, std::int64_t matrix) {
    compute_.batched_product({.rows = length,
                              .columns = length,
                              .inner = width,
                              .b_transposed = true,
                              .a_stride = 3 * hidden,
                              .b_stride = 3 * hidden},
                             heads(width, width, matrix_size), qkv + q, qkv + q + hidden,
                             scores + matrix);
  });
  compute_.causal_forward(causal_shape(), scores);
  each_sample([&](std::int64_t q, std::int64_t row, std::int64_t matrix) {
    compute_.batched_product({.rows = length,
                              .columns = width,
                              .inner = length,
                              .b_stride = 3 * hidden,
                              .c_stride = hidden},
                             heads(matrix_size, width, width), scores + matrix,
                             qkv + q + 2 * hidden, context_.data() + row);
  });
  settle(context_.data(), tokens() * hidden);
}

void Attention::backward(RankContext& at, const float* normed_gradient, float* gradient) {
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t count = tokens() * hidden;
  const DenseLayout layout = dense_layout(shape_, layer_);
  const float* weights = at.state.dense_weights();
  float* sums = at.state.dense_gradient().data();
  phase(at, "attention_backward", [&] {
    compute_.norm_backward(norm_shape(), residual_.data(), weights + layout.moe_gain,
                           normed_inverse_.data(), normed_gradient, gradient,
                           sums + layout.moe_gain);
    float* rows = scratch_.rows.reserve(count);
    compute_.product({.rows = tokens(), .columns = hidden, .inner = hidden}, gradient,
                     weights + layout.projection, rows);
    settle(rows, count);
    const ProductShape sum_over_tokens{.rows = hidden,
                                       .columns = hidden,
                                       .inner = tokens(),
                                       .a_transposed = true,
                                       .accumulate = true};
    compute_.product(sum_over_tokens, gradient, context_.data(), sums + layout.projection);
    float* qkv_gradient = scratch_.qkv_gradient.reserve(3 * count);
    attend_backward(rows, qkv_gradient);
    ProductShape of_qkv = sum_over_tokens;
    of_qkv.rows = 3 * hidden;
    compute_.product(of_qkv, qkv_gradient, input_.data(), sums + layout.qkv);
    compute_.product({.rows = tokens(), .columns = hidden, .inner = 3 * hidden}, qkv_gradient,
                     weights + layout.qkv, rows);
    settle(rows, count);
    compute_.norm_backward(norm_shape(), x_, weights + layout.attention_gain, input_inverse_.data(),
                           rows, gradient, sums + layout.attention_gain);
  });
}

void Attention::attend_backward(const float* context_gradient, float* qkv_gradient) {
  const std::int64_t hidden = shape_.hidden;
  const std::int64_t width = hidden / shape_.heads;
  const std::int64_t length = shape_.sequence_length;
  const std::int64_t matrix_size = length * length;
  const float* qkv = qkv_.data();
  float* scores = scratch_.score_gradient.reserve(samples_ * shape_.heads * length * length);
  each_sample([&](std::int64_t q, std::int64_t row, std::int64_t matrix) {
    compute_.batched_product({.rows = length,
                              .columns = length,
                              .inner = width,
                              .b_transposed = true,
                              .a_stride = hidden,
                              .b_stride = 3 * hidden},
                             heads(width, width, matrix_size), context_gradient + row,
                             qkv + q + 2 * hidden, scores + matrix);
    compute_.batched_product({.rows = length,
                              .columns = width,
                              .inner = length,
                              .a_transposed = true,
                              .b_stride = hidden,
                              .c_stride = 3 * hidden},
                             heads(matrix_size, width, width), probabilities_.data() + matrix,
                             context_gradient + row, qkv_gradient + q + 2 * hidden);
  });
  compute_.causal_backward(causal_shape(), probabilities_.data(), scores);
  each_sample([&](std::int64_t q, std::int64_t, std::int64_t matrix) {
    ProductShape product{.rows = length,
                         .columns = width,
                         .inner = length,
                         .b_stride = 3 * hidden,
                         .c_stride = 3 * hidden};
    const ProductBatch batch = heads(matrix_size, width, width);
    compute_.batched_product(product, batch, scores + matrix, qkv + q + hidden, qkv_gradient + q);
    product.a_transposed = true;
    compute_.batched_product(product, batch, scores + matrix, qkv + q, qkv_gradient + q + hidden);
  });
  settle(qkv_gradient, tokens() * 3 * hidden);
}

}  // namespace bethany
