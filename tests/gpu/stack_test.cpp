// One rank's transformer blocks against the float64 oracle, whose gradients are slopes.
#include "gpu/layer/stack.h"

#include <cmath>
#include <set>

#include "gpu/layer/draws.h"
#include "gpu/reference.h"
#include "tests/gpu/rank_crowd.h"
#include "tests/gpu/stack_oracle.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

std::vector<double> wide(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// The oracle of a crowd of one rank, before its first update, on its first samples.
StackOracle oracle_of(RankCrowd& crowd, const StackShape& shape, int samples) {
  StackOracle oracle{.shape = shape};
  const auto weights = [](std::vector<float> state) {
    state.resize(state.size() / 3);
    return wide(state);
  };
  oracle.dense = weights(crowd.dense_state());
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int e = 0; e < shape.experts; ++e) {
      oracle.experts.push_back(weights(crowd.expert_state(layer, e)));
    }
  }
  const Samples drawn = draw_samples(shape, {.seed = 5, .samples = samples});
  oracle.tokens = wide(drawn.tokens);
  oracle.targets = wide(drawn.targets);
  return oracle;
}

/// Gradients of every `stride`-th parameter beside the slopes of the oracle's loss.
void check_gradient(StackOracle& oracle, std::vector<double>& parameters,
                    const std::vector<float>& gradient, std::size_t stride) {
  REQUIRE(parameters.size() == gradient.size());
  std::vector<double> slopes;
  std::vector<double> ours;
  for (std::size_t i = 0; i < parameters.size(); i += stride) {
    slopes.push_back(oracle.slope(parameters[i]));
    ours.push_back(static_cast<double>(gradient[i]));
  }
  CHECK(relative_error(ours, slopes) < 1e-4);
}

void check_against_oracle(const StackShape& shape, int samples, bool forced, std::size_t stride) {
  CrowdOptions options = alone(shape);
  options.forced = forced;
  RankCrowd crowd(options);
  StackOracle oracle = oracle_of(crowd, shape, samples);
  const double loss = crowd.gradients(samples);
  if (forced) {
    for (int layer = 0; layer < shape.layers; ++layer) {
      oracle.ids.emplace_back();
      for (int t = 0; t < samples * shape.sequence_length; ++t) {
        const int place = t % shape.sequence_length;
        for (int k = 0; k < shape.top_k; ++k) {
          oracle.ids.back().push_back((place * place + layer + k) % shape.experts);
        }
      }
    }
  }
  CHECK(relative_error(wide(crowd.output(0)), oracle.output()) < 1e-5);
  CHECK(loss == Approx(oracle.loss()).epsilon(1e-5));
  check_gradient(oracle, oracle.dense, crowd.dense_gradient(), stride);
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int e = 0; e < shape.experts; ++e) {
      INFO("layer " << layer << " expert " << e);
      const auto index = static_cast<std::size_t>(layer * shape.experts + e);
      const auto used = std::set(oracle.ids[static_cast<std::size_t>(layer)].begin(),
                                 oracle.ids[static_cast<std::size_t>(layer)].end());
      if (used.count(e) == 0) continue;
      check_gradient(oracle, oracle.experts[index], crowd.expert_gradient(layer, e), stride);
    }
  }
}

TEST_CASE("outputs and the gradient of every parameter are those of a plain float64 stack") {
  StackShape shape{.layers = 2,
                   .hidden = 8,
                   .ffn = 12,
                   .experts = 4,
                   .top_k = 2,
                   .heads = 2,
                   .sequence_length = 4};
  SECTION("GELU, the gate chooses") { check_against_oracle(shape, 3, false, 1); }
  SECTION("SwiGLU, the gate chooses") {
    shape.gated = true;
    check_against_oracle(shape, 3, false, 1);
  }
  SECTION("GELU, experts are given") { check_against_oracle(shape, 3, true, 1); }
  SECTION("one expert a token, one head, one layer") {
    shape.layers = 1;
    shape.top_k = 1;
    shape.heads = 1;
    check_against_oracle(shape, 3, false, 1);
  }
}

TEST_CASE("a wider stack agrees on a sample of its parameters") {
  const StackShape shape{.layers = 2,
                         .hidden = 48,
                         .ffn = 80,
                         .gated = true,
                         .experts = 8,
                         .top_k = 3,
                         .heads = 4,
                         .sequence_length = 8};
  check_against_oracle(shape, 2, false, 2503);
}

TEST_CASE("training lowers the loss, and a sample does not depend on who draws it") {
  const StackShape shape{.layers = 1,
                         .hidden = 16,
                         .ffn = 32,
                         .experts = 4,
                         .top_k = 2,
                         .heads = 2,
                         .sequence_length = 16};
  RankCrowd crowd(alone(shape));
  const double first = crowd.gradients(8);
  crowd.update(8);
  double last = first;
  for (int step = 0; step < 60; ++step) {
    last = crowd.gradients(8);
    crowd.update(8);
  }
  CHECK(last < 0.9 * first);

  const Samples all = draw_samples(shape, {.seed = 5, .first_sample = 2, .samples = 3});
  const Samples one = draw_samples(shape, {.seed = 5, .first_sample = 4, .samples = 1});
  CHECK(std::equal(one.tokens.begin(), one.tokens.end(), all.tokens.end() - 16 * 16));
  CHECK(std::equal(one.targets.begin(), one.targets.end(), all.targets.end() - 16 * 16));
}

}  // namespace
}  // namespace bethany
