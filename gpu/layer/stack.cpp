#include "gpu/layer/stack.h"

#include <algorithm>

#include "gpu/layer/attention.h"
#include "gpu/layer/draws.h"
#include "gpu/layer/moe_layer.h"
#include "sim/base/check.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

struct Block {
  Block(const StackShape& shape, int layer, Compute& compute, AttentionScratch& attention_scratch,
        MoeScratch& moe_scratch)
      : attention(shape, layer, compute, attention_scratch),
        moe(shape, layer, compute, moe_scratch),
        out(compute) {}
  Attention attention;
  MoeLayer moe;
  DeviceArray<float> out;
};

class Blocks final : public Stack {
 public:
  Blocks(const StackShape& shape, Compute& compute)
      : shape_(shape),
        compute_(compute),
        attention_scratch_(compute),
        moe_scratch_(compute),
        input_(compute),
        target_(compute),
        gradient_(compute),
        normed_gradient_(compute) {
    for (int layer = 0; layer < shape.layers; ++layer) {
      blocks_.push_back(
          std::make_unique<Block>(shape, layer, compute, attention_scratch_, moe_scratch_));
    }
  }

  double forward_backward(RankState& state, const MicroBatch& batch, const Router& router,
                          Fabric& fabric, PhaseLog& log) override {
    Samples samples;
    log.on_host([&] { samples = draw_samples(shape_, batch); });
    log.aside([&] {
      input_.upload(samples.tokens);
      target_.upload(samples.targets);
    });
    tokens_ = batch.samples * shape_.sequence_length;
    const std::int64_t count = tokens_ * shape_.hidden;
    RankContext at{.state = state, .router = router, .fabric = fabric, .log = log};

    const float* x = input_.data();
    for (auto& block : blocks_) {
      block->attention.forward(at, x, batch.samples);
      float* out = block->out.reserve(count);
      block->moe.forward(at, block->attention.normed(), block->attention.residual(), tokens_, out);
      x = out;
    }
    double loss = 0;
    float* gradient = gradient_.reserve(count);
    log.compute("loss", -1, [&] {
      loss = compute_.squared_distance(x, target_.data(), count, gradient);
      if (shape_.exact) compute_.fold(gradient, count);
      compute_.synchronize();
    });
    float* normed_gradient = normed_gradient_.reserve(count);
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
      (*block)->moe.backward(at, gradient, normed_gradient);
      (*block)->attention.backward(at, normed_gradient, gradient);
    }
    return loss;
  }

  std::vector<float> output() const override {
    std::vector<float> out(static_cast<std::size_t>(tokens_ * shape_.hidden));
    if (!out.empty()) {
      compute_.download(out.data(), blocks_.back()->out.data(), out.size() * sizeof(float));
    }
    return out;
  }

 private:
  StackShape shape_;
  Compute& compute_;
  AttentionScratch attention_scratch_;
  MoeScratch moe_scratch_;
  std::vector<std::unique_ptr<Block>> blocks_;
  DeviceArray<float> input_;
  DeviceArray<float> target_;
  DeviceArray<float> gradient_;
  DeviceArray<float> normed_gradient_;
  std::int64_t tokens_ = 0;
};

void check_shape(const StackShape& shape) {
  BETHANY_CHECK(shape.layers > 0 && shape.hidden > 0 && shape.ffn > 0 && shape.sequence_length > 0,
                "a stack of {} layers, {} × {}, {} tokens a sample", shape.layers, shape.hidden,
                shape.ffn, shape.sequence_length);
  BETHANY_CHECK(shape.heads > 0 && shape.hidden % shape.heads == 0, "{} heads of width {}",
                shape.heads, shape.hidden);
  BETHANY_CHECK(shape.top_k > 0 && shape.top_k <= shape.experts, "top {} of {} experts",
                shape.top_k, shape.experts);
  // A sum is of products of two numbers of -3..3, and one more number.
  const std::int64_t inner =
      std::max({std::int64_t{3} * shape.hidden, std::int64_t{2} * shape.ffn,
                std::int64_t{shape.sequence_length}, std::int64_t{shape.experts}});
  BETHANY_CHECK(!shape.exact || 9 * (inner + shape.top_k + 1) < kExactLimit,
                "sums of {} products in exact arithmetic", inner);
}

}  // namespace

std::unique_ptr<Stack> make_stack(const StackShape& shape, Compute& compute) {
  check_shape(shape);
  if (shape.exact && compute.products() != Products::fp32) {
    throw InputError(fmt::format("exact arithmetic has products in fp32, not in {}",
                                 name_of(compute.products())));
  }
  return std::make_unique<Blocks>(shape, compute);
}

}  // namespace bethany
