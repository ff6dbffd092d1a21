#include "gpu/pieces/pieces.h"

#include <algorithm>
#include <cmath>

#include "gpu/layer/attention.h"
#include "gpu/layer/parameters.h"
#include "gpu/layer/routing_map.h"
#include "sim/base/check.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

using Job = std::function<void()>;

/// Makes the work of one point. Buffers live as long as the work does.
class Builder {
 public:
  Builder(Compute& compute, const Point& point, std::uint64_t seed)
      : compute_(compute), p_(point), rng_(RngStreams(seed, 0).stream("gpu/buffers")) {}

  Job build() {
    switch (p_.operation) {
      case Operation::matmul:
        return matmul();
      case Operation::expert_forward:
      case Operation::expert_backward:
        return experts();
      case Operation::attention_forward:
      case Operation::attention_backward:
        return attention();
      case Operation::loss:
        return loss();
      case Operation::gate:
      case Operation::gate_backward:
        return gate();
      case Operation::routing_sort:
        return sort();
      case Operation::row_gather:
      case Operation::row_scatter_sum:
      case Operation::row_dot:
        return reorder();
      case Operation::activation_forward:
      case Operation::activation_backward:
        return activation();
      case Operation::adam:
        return adam();
      case Operation::slice_sum:
        return slice_sum();
      case Operation::device_copy:
      case Operation::device_write:
        return copy();
      default:
        BETHANY_CHECK(false, "no work for {}", describe(p_));
    }
  }

 private:
  using Floats = std::shared_ptr<DeviceArray<float>>;
  using Ints = std::shared_ptr<DeviceArray<int>>;

  Floats room(std::int64_t count) {
    auto array = std::make_shared<DeviceArray<float>>(compute_);
    array->reserve(std::max<std::int64_t>(1, count));
    return array;
  }
  /// Few are drawn, then they repeat: drawing takes longer than most points.
  Floats random(std::int64_t count, double scale = 1) {
    constexpr std::int64_t kDrawn = 4096;
    std::vector<float> values(z(std::clamp<std::int64_t>(count, 1, kDrawn)));
    for (auto& value : values) value = static_cast<float>((2 * rng_.unit() - 1) * scale);
    auto array = room(count);
    float* const data = array->data();
    compute_.upload(data, values.data(), values.size() * sizeof(float));
    for (std::int64_t there = kDrawn; there < count; there *= 2) {
      compute_.copy(data + there, data, z(std::min(there, count - there)) * sizeof(float));
    }
    return array;
  }
  Ints order(std::int64_t count) {
    std::vector<int> values(z(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i);
    rng_.shuffle(values);
    auto array = std::make_shared<DeviceArray<int>>(compute_);
    array->upload(values);
    return array;
  }
  double inner_scale() const { return 1 / std::sqrt(static_cast<double>(p_.inputs)); }

  Job matmul() {
    const std::int64_t in = p_.inputs;
    const std::int64_t out = p_.outputs;
    const bool wgrad = p_.variant == "wgrad";
    const bool forward = p_.variant == "forward";
    const Floats left = random(p_.rows * (forward ? in : out));
    const Floats right = random(wgrad ? p_.rows * in : in * out, inner_scale());
    const Floats result = room(wgrad ? in * out : p_.rows * (forward ? out : in));
    const ProductShape shape =
        forward ? ProductShape{.rows = p_.rows, .columns = out, .inner = in, .b_transposed = true}
        : wgrad ? ProductShape{.rows = out, .columns = in, .inner = p_.rows, .a_transposed = true}
                : ProductShape{.rows = p_.rows, .columns = in, .inner = out};
    return [=, &compute = compute_] {
      compute.product(shape, left->data(), right->data(), result->data());
    };
  }

  /// What the experts of one rank need, in both directions.
  struct Experts {
    std::vector<std::int64_t> rows;
    std::vector<Floats> weights;  // in, then out
    std::vector<Floats> gradients;
    Floats in, inner, activation, out;
    Floats out_gradient, activation_gradient, inner_gradient, in_gradient;
  };

  Job experts() {
    const std::int64_t hidden = p_.inputs;
    const std::int64_t ffn = p_.outputs;
    const std::int64_t width = ffn * (p_.gated ? 2 : 1);
    auto e = std::make_shared<Experts>();
    e->rows = expert_rows(p_);
    for (std::size_t i = 0; i < e->rows.size(); ++i) {
      e->weights.push_back(random(hidden * (width + ffn), inner_scale()));
      e->gradients.push_back(random(hidden * (width + ffn), 0));
    }
    e->in = random(p_.rows * hidden);
    e->inner = random(p_.rows * width);
    e->activation = random(p_.rows * ffn);
    e->out = room(p_.rows * hidden);
    const ActivationShape shape{.gated = p_.gated, .rows = p_.rows, .width = p_.outputs};
    if (p_.operation == Operation::expert_forward) {
      return [=, &compute = compute_] { forward(compute, shape, hidden, *e); };
    }
    e->out_gradient = random(p_.rows * hidden);
    e->activation_gradient = room(p_.rows * ffn);
    e->inner_gradient = room(p_.rows * width);
    e->in_gradient = room(p_.rows * hidden);
    return [=, &compute = compute_] { backward(compute, shape, hidden, *e); };
  }

  /// As MoeLayer::run_experts().
  static void forward(Compute& compute, const ActivationShape& shape, std::int64_t hidden,
                      Experts& e) {
    const std::int64_t ffn = shape.width;
    const std::int64_t width = ffn * (shape.gated ? 2 : 1);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < e.rows.size(); first += e.rows[i++]) {
      compute.product({.rows = e.rows[i], .columns = width, .inner = hidden, .b_transposed = true},
                      e.in->data() + first * hidden, e.weights[i]->data(),
                      e.inner->data() + first * width);
    }
    compute.activation_forward(shape, e.inner->data(), e.activation->data());
    first = 0;
    for (std::size_t i = 0; i < e.rows.size(); first += e.rows[i++]) {
      compute.product({.rows = e.rows[i], .columns = hidden, .inner = ffn, .b_transposed = true},
                      e.activation->data() + first * ffn, e.weights[i]->data() + hidden * width,
                      e.out->data() + first * hidden);
    }
  }

  /// As MoeLayer::experts_backward().
  static void backward(Compute& compute, const ActivationShape& shape, std::int64_t hidden,
                       Experts& e) {
    const std::int64_t ffn = shape.width;
    const std::int64_t width = ffn * (shape.gated ? 2 : 1);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < e.rows.size(); first += e.rows[i++]) {
      const float* out = e.out_gradient->data() + first * hidden;
      compute.product({.rows = e.rows[i], .columns = ffn, .inner = hidden}, out,
                      e.weights[i]->data() + hidden * width,
                      e.activation_gradient->data() + first * ffn);
      weight_gradient(compute, {.rows = hidden, .columns = ffn, .inner = e.rows[i]}, out,
                      e.activation->data() + first * ffn, e.gradients[i]->data() + hidden * width);
    }
    compute.activation_backward(shape, e.inner->data(), e.activation_gradient->data(),
                                e.inner_gradient->data());
    first = 0;
    for (std::size_t i = 0; i < e.rows.size(); first += e.rows[i++]) {
      const float* inner = e.inner_gradient->data() + first * width;
      compute.product({.rows = e.rows[i], .columns = hidden, .inner = width}, inner,
                      e.weights[i]->data(), e.in_gradient->data() + first * hidden);
      weight_gradient(compute, {.rows = width, .columns = hidden, .inner = e.rows[i]}, inner,
                      e.in->data() + first * hidden, e.gradients[i]->data());
    }
  }

  static void weight_gradient(Compute& compute, ProductShape shape, const float* a, const float* b,
                              float* c) {
    if (shape.inner == 0) return;
    shape.a_transposed = true;
    shape.accumulate = true;
    compute.product(shape, a, b, c);
  }

  /// A router that nobody asks: attention stays on its rank.
  class NoRouter final : public Router {
   public:
    std::vector<int> forced(int, int, std::int64_t) const override { return {}; }
    TokenMatrix matrix(int, const TokenCounts&) const override { return {}; }
  };
  class NoFabric final : public Fabric {
   public:
    int rank() const override { return 0; }
    int ranks() const override { return 1; }
    double exchange(std::span<const Send>, std::span<const Receive>) override { return 0; }
    void barrier() override {}
  };

  /// The real block, on a rank of its own.
  struct RealAttention {
    RealAttention(const StackShape& shape, Compute& compute)
        : scratch(compute), attention(shape, 0, compute, scratch) {
      state = make_rank_state(shape, compute);
      state->initialise_dense(1);
    }
    AttentionScratch scratch;
    Attention attention;
    std::unique_ptr<RankState> state;
    NoRouter router;
    NoFabric fabric;
    PhaseLog log;
    RankContext context() {
      log.clear();
      return {.state = *state, .router = router, .fabric = fabric, .log = log};
    }
  };

  Job attention() {
    const StackShape shape{.layers = 1,
                           .hidden = p_.inputs,
                           .ffn = p_.inputs,
                           .experts = 1,
                           .heads = p_.outputs,
                           .sequence_length = static_cast<int>(p_.size)};
    const std::int64_t samples = p_.rows / p_.size;
    const Floats x = random(p_.rows * p_.inputs);
    auto real = std::make_shared<RealAttention>(shape, compute_);
    const auto forward = [=] {
      auto at = real->context();
      real->attention.forward(at, x->data(), samples);
    };
    if (p_.operation == Operation::attention_forward) return forward;
    forward();
    const Floats above = random(p_.rows * p_.inputs, 0.1);
    const Floats gradient = random(p_.rows * p_.inputs, 0.1);
    const std::size_t bytes = z(p_.rows * p_.inputs) * sizeof(float);
    const Floats start = random(p_.rows * p_.inputs, 0.1);
    return [=, &compute = compute_] {
      compute.copy(gradient->data(), start->data(), bytes);  // or it grows run by run
      auto at = real->context();
      real->attention.backward(at, above->data(), gradient->data());
    };
  }

  Job loss() {
    const std::int64_t count = p_.rows * p_.inputs;
    const Floats values = random(count);
    const Floats target = random(count);
    const Floats gradient = room(count);
    return [=, &compute = compute_] {
      compute.squared_distance(values->data(), target->data(), count, gradient->data());
    };
  }

  Job gate() {
    const std::int64_t tokens = p_.rows;
    const std::int64_t hidden = p_.inputs;
    const std::int64_t pairs = tokens * p_.size;
    const GateShape shape{
        .tokens = tokens, .experts = p_.experts, .top_k = static_cast<int>(p_.size)};
    const Floats x = random(tokens * hidden);
    const Floats weights = random(hidden * p_.experts, inner_scale());
    const Floats logits = room(tokens * p_.experts);
    const Floats probabilities = room(tokens * p_.experts);
    const Floats chosen = room(pairs);
    const auto ids = std::make_shared<DeviceArray<int>>(compute_);
    ids->reserve(pairs);
    const auto host = std::make_shared<std::vector<int>>(z(pairs));
    const std::int64_t experts = p_.experts;
    const Job forward = [=, &compute = compute_] {
      compute.product({.rows = tokens, .columns = experts, .inner = hidden, .b_transposed = true},
                      x->data(), weights->data(), logits->data());
      compute.gate_choose(shape, logits->data(), ids->data());
      compute.gate_weigh(shape, logits->data(), ids->data(), probabilities->data(), chosen->data());
      compute.download(host->data(), ids->data(), host->size() * sizeof(int));
    };
    if (p_.operation == Operation::gate) return forward;
    forward();
    const Floats weight_gradient = random(pairs);
    const Floats logit_gradient = room(tokens * experts);
    const Floats gate_gradient = random(hidden * experts, 0);
    const Floats x_gradient = random(tokens * hidden, 0);
    return [=, &compute = compute_] {
      compute.gate_backward(shape, ids->data(), probabilities->data(), weight_gradient->data(),
                            logit_gradient->data());
      compute.product({.rows = experts,
                       .columns = hidden,
                       .inner = tokens,
                       .a_transposed = true,
                       .accumulate = true},
                      logit_gradient->data(), x->data(), gate_gradient->data());
      compute.product({.rows = tokens, .columns = hidden, .inner = experts, .accumulate = true},
                      logit_gradient->data(), weights->data(), x_gradient->data());
    };
  }

  /// The orders of one of four ranks that route alike; every expert has one rank.
  Job sort() {
    constexpr int kRanks = 4;
    const auto counts = expert_rows(p_);
    auto ids = std::make_shared<std::vector<int>>();
    TokenMatrix matrix(kRanks, p_.experts);
    for (int expert = 0; expert < p_.experts; ++expert) {
      const std::int64_t count = counts[z(expert)];
      ids->insert(ids->end(), z(count), expert);
      for (int from = 0; from < kRanks; ++from) matrix.at(expert, from, expert % kRanks) = count;
    }
    rng_.shuffle(*ids);
    const auto orders = std::make_shared<std::vector<DeviceArray<int>>>();
    for (int i = 0; i < 4; ++i) orders->emplace_back(compute_);
    const int experts = p_.experts;
    return [=] {
      pairs_by_expert(*ids, experts);
      const RoutingMap map = routing_map(*ids, matrix, 0);
      (*orders)[0].upload(map.send_order);
      (*orders)[1].upload(map.send_position);
      (*orders)[2].upload(map.expert_order);
      (*orders)[3].upload(map.receive_position);
    };
  }

  Job reorder() {
    const int top_k = std::max(1, static_cast<int>(p_.size));
    const int width = p_.inputs;
    const std::int64_t rows = p_.rows;
    const std::int64_t tokens = std::max<std::int64_t>(1, rows / top_k);
    const Ints positions = order(rows);
    const Floats routed = random(rows * width);
    const Floats of_tokens = random(tokens * width);
    const Floats weights = random(rows);
    if (p_.operation == Operation::row_gather) {
      return [=, &compute = compute_] {
        compute.gather(of_tokens->data(), positions->data(), nullptr, top_k, rows, width,
                       routed->data());
      };
    }
    if (p_.operation == Operation::row_scatter_sum) {
      return [=, &compute = compute_] {
        compute.scatter_sum(routed->data(), positions->data(), weights->data(), top_k, tokens,
                            width, of_tokens->data());
      };
    }
    return [=, &compute = compute_] {
      compute.row_dot(of_tokens->data(), routed->data(), positions->data(), top_k, rows, width,
                      weights->data());
    };
  }

  Job activation() {
    const ActivationShape shape{.gated = p_.gated, .rows = p_.rows, .width = p_.outputs};
    const std::int64_t count = p_.rows * p_.outputs;
    const std::int64_t inner_count = count * (p_.gated ? 2 : 1);
    const Floats inner = random(inner_count);
    const Floats out = random(count);
    if (p_.operation == Operation::activation_forward) {
      return [=, &compute = compute_] {
        compute.activation_forward(shape, inner->data(), out->data());
      };
    }
    const Floats inner_gradient = room(inner_count);
    return [=, &compute = compute_] {
      compute.activation_backward(shape, inner->data(), out->data(), inner_gradient->data());
    };
  }

  /// As RankState::update(): every array by itself, all of them together `size` parameters.
  Job adam() {
    const int arrays = std::max(1, p_.experts);
    const std::int64_t count = p_.size / arrays;
    auto states = std::make_shared<std::vector<Floats>>();
    auto gradients = std::make_shared<std::vector<Floats>>();
    for (int i = 0; i < arrays; ++i) {
      states->push_back(random(3 * count, 0.5));
      gradients->push_back(random(count));
      compute_.clear(states->back()->data() + 2 * count, z(count) * sizeof(float));
    }
    return [=, &compute = compute_] {
      for (std::size_t i = 0; i < states->size(); ++i) {
        float* const state = (*states)[i]->data();
        float* const gradient = (*gradients)[i]->data();
        compute.adam({.weights = state,
                      .momentum = state + count,
                      .variance = state + 2 * count,
                      .gradient = gradient},
                     count, {});
        compute.clear(gradient, z(count) * sizeof(float));
      }
    };
  }

  Job slice_sum() {
    auto slices = std::make_shared<std::vector<Floats>>();
    auto pointers = std::make_shared<std::vector<const float*>>();
    for (int i = 0; i < p_.experts; ++i) {
      slices->push_back(random(p_.size));
      pointers->push_back(slices->back()->data());
    }
    const Floats out = room(p_.size);
    const std::int64_t count = p_.size;
    return [=, &compute = compute_] {
      (void)slices;  // keeps what the pointers point to
      compute.slice_sum(*pointers, count, out->data());
    };
  }

  Job copy() {
    const std::int64_t floats = (p_.size + 3) / 4;
    const Floats to = random(floats);
    const std::size_t bytes = z(p_.size);
    if (p_.operation == Operation::device_write) {
      return [=, &compute = compute_] { compute.clear(to->data(), bytes); };
    }
    const Floats from = random(floats);
    return [=, &compute = compute_] { compute.copy(to->data(), from->data(), bytes); };
  }

  Compute& compute_;
  const Point p_;
  Rng rng_;
};

}  // namespace

std::function<void()> piece_work(Compute& compute, const Point& point, std::uint64_t seed) {
  return Builder(compute, point, seed).build();
}

}  // namespace bethany
