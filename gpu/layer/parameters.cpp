#include "gpu/layer/parameters.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "gpu/layer/draws.h"
#include "sim/base/check.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

constexpr int kArrays = 3;  // weights, momentum, variance

std::int64_t block_parameters(const StackShape& shape) {
  const std::int64_t hidden = shape.hidden;
  return 2 * hidden + 4 * hidden * hidden + shape.experts * hidden;
}

/// Parameters of one expert, or of the dense part, with all that belongs to them.
class Parameters {
 public:
  Parameters(Compute& compute, std::int64_t count)
      : compute_(&compute), count_(count), state_(compute), gradient_(compute) {
    state_.reserve(kArrays * count);
    gradient_.reserve(count);
    clear_gradient();
  }

  float* state() { return state_.data(); }
  std::span<float> gradient() { return {gradient_.data(), z(count_)}; }
  void clear_gradient() { compute_->clear(gradient_.data(), z(count_) * sizeof(float)); }

  /// Moments begin at 0.
  void initialise(std::span<const float> weights) {
    compute_->upload(state(), weights.data(), weights.size_bytes());
    compute_->clear(state() + count_, 2 * weights.size_bytes());
  }

  void update(const StackShape& shape, const AdamArguments& adam) {
    const OptimizerArrays arrays{.weights = state(),
                                 .momentum = state() + count_,
                                 .variance = state() + 2 * count_,
                                 .gradient = gradient_.data()};
    if (shape.exact) {
      compute_->exact_update(arrays, count_);
    } else {
      compute_->adam(arrays, count_, adam);
    }
    clear_gradient();
  }

 private:
  Compute* compute_;
  std::int64_t count_;
  DeviceArray<float> state_;
  DeviceArray<float> gradient_;
};

class HeldState final : public RankState {
 public:
  HeldState(const StackShape& shape, Compute& compute)
      : shape_(shape),
        compute_(&compute),
        dense_(compute, shape.dense_parameters()),
        experts_(z(shape.layers) * z(shape.experts)) {}

  std::size_t expert_bytes() const override {
    return kArrays * z(shape_.expert_parameters()) * sizeof(float);
  }
  std::size_t dense_bytes() const override {
    return kArrays * z(shape_.dense_parameters()) * sizeof(float);
  }
  std::byte* expert_state(int layer, int expert) override {
    return reinterpret_cast<std::byte*>(held(layer, expert).state());
  }
  std::byte* dense_state() override { return reinterpret_cast<std::byte*>(dense_.state()); }
  const float* expert_weights(int layer, int expert) override {
    return held(layer, expert).state();
  }
  const float* dense_weights() override { return dense_.state(); }

  bool holds(int layer, int expert) const override {
    return experts_[index(layer, expert)].has_value();
  }
  void add_expert(int layer, int expert) override {
    BETHANY_CHECK(!holds(layer, expert), "expert {} of layer {} is held already", expert, layer);
    experts_[index(layer, expert)].emplace(*compute_, shape_.expert_parameters());
  }
  void drop_expert(int layer, int expert) override {
    BETHANY_CHECK(holds(layer, expert), "expert {} of layer {} is not held", expert, layer);
    experts_[index(layer, expert)].reset();
  }

  void initialise_expert(int layer, int expert, std::uint64_t seed) override {
    const ExpertLayout at = expert_layout(shape_);
    std::vector<float> weights(z(shape_.expert_parameters()));
    Rng rng = RngStreams(seed, 0).stream("gpu/expert", index(layer, expert));
    const std::span<float> all(weights);
    draw(rng, shape_.exact, 1 / std::sqrt(shape_.hidden), all.first(z(at.out)));
    draw(rng, shape_.exact, 1 / std::sqrt(shape_.ffn), all.subspan(z(at.out)));
    held(layer, expert).initialise(weights);
  }
  void initialise_dense(std::uint64_t seed) override {
    std::vector<float> weights(z(shape_.dense_parameters()));
    Rng rng = RngStreams(seed, 0).stream("gpu/dense");
    draw(rng, shape_.exact, 1 / std::sqrt(shape_.hidden), weights);
    for (int layer = 0; layer < shape_.layers; ++layer) {
      const DenseLayout at = dense_layout(shape_, layer);
      for (int c = 0; c < shape_.hidden; ++c) {
        weights[z(at.attention_gain + c)] = 1;
        weights[z(at.moe_gain + c)] = 1;
      }
    }
    dense_.initialise(weights);
  }

  std::span<float> expert_gradient(int layer, int expert) override {
    return held(layer, expert).gradient();
  }
  std::span<float> dense_gradient() override { return dense_.gradient(); }

  void update(std::int64_t step, std::int64_t samples) override {
    BETHANY_CHECK(step >= 0 && samples > 0, "step {} of {} samples", step, samples);
    const std::int64_t tokens = samples * shape_.sequence_length;
    // A gradient is a sum of products of two numbers of -3..3, one a token.
    BETHANY_CHECK(!shape_.exact || 9 * tokens < kExactLimit, "{} tokens in exact arithmetic",
                  tokens);
    AdamArguments adam;
    const auto n = static_cast<double>(step + 1);
    adam.bias1 = static_cast<float>(1 / (1 - std::pow(adam.beta1, n)));
    adam.bias2 = static_cast<float>(1 / (1 - std::pow(adam.beta2, n)));
    adam.gradient_scale = 1 / static_cast<float>(tokens);
    each([&](Parameters& parameters) { parameters.update(shape_, adam); });
  }
  void clear_gradients() override {
    each([](Parameters& parameters) { parameters.clear_gradient(); });
  }

 private:
  std::size_t index(int layer, int expert) const {
    return z(layer) * z(shape_.experts) + z(expert);
  }
  Parameters& held(int layer, int expert) {
    BETHANY_CHECK(holds(layer, expert), "expert {} of layer {} is not held", expert, layer);
    return *experts_[index(layer, expert)];
  }
  template <class Work>
  void each(const Work& work) {
    work(dense_);
    for (auto& expert : experts_) {
      if (expert) work(*expert);
    }
  }

  StackShape shape_;
  Compute* compute_;
  Parameters dense_;
  std::vector<std::optional<Parameters>> experts_;
};

}  // namespace

std::int64_t StackShape::expert_parameters() const {
  return std::int64_t{gated ? 3 : 2} * hidden * ffn;
}

std::int64_t StackShape::dense_parameters() const { return layers * block_parameters(*this); }

ExpertLayout expert_layout(const StackShape& shape) {
  return {.in = 0, .out = std::int64_t{shape.gated ? 2 : 1} * shape.hidden * shape.ffn};
}

DenseLayout dense_layout(const StackShape& shape, int layer) {
  const std::int64_t hidden = shape.hidden;
  DenseLayout at;
  at.attention_gain = layer * block_parameters(shape);
  at.qkv = at.attention_gain + hidden;
  at.projection = at.qkv + 3 * hidden * hidden;
  at.moe_gain = at.projection + hidden * hidden;
  at.gate = at.moe_gain + hidden;
  return at;
}

std::unique_ptr<RankState> make_rank_state(const StackShape& shape, Compute& compute) {
  return std::make_unique<HeldState>(shape, compute);
}

}  // namespace bethany
