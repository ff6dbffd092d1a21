// The float64 reference against finite differences: everything else is checked against it.
#include "gpu/reference.h"

#include <cmath>

#include "tests/support/catch.h"

namespace bethany {
namespace {

/// d(loss)/d(value) by central differences; the loss is nearly linear at this step.
double slope(LayerInput input, std::vector<float> LayerInput::*member, std::size_t index) {
  constexpr double kStep = 1.0 / 512;
  const float value = (input.*member)[index];
  (input.*member)[index] = static_cast<float>(value + kStep);
  const double above = reference_loss(input);
  const double high = (input.*member)[index];
  (input.*member)[index] = static_cast<float>(value - kStep);
  const double below = reference_loss(input);
  return (above - below) / (high - (input.*member)[index]);
}

void check_gradient(const LayerInput& input, std::vector<float> LayerInput::*member,
                    const std::vector<double>& gradient) {
  REQUIRE((input.*member).size() == gradient.size());
  std::vector<double> slopes;
  for (std::size_t i = 0; i < gradient.size(); ++i) slopes.push_back(slope(input, member, i));
  CHECK(relative_error(gradient, slopes) < 1e-4);
}

TEST_CASE("the gradients of the reference layer are the slopes of its loss") {
  Rng rng = RngStreams(7, 0).stream("test");
  for (const bool gated : {false, true}) {
    INFO("gated " << gated);
    const LayerInput input = random_layer(
        {.tokens = 4, .hidden = 3, .ffn = 5, .experts = 4, .top_k = 2, .gated = gated}, rng);
    const LayerOutput output = reference_layer(input);
    check_gradient(input, &LayerInput::x, output.x_gradient);
    check_gradient(input, &LayerInput::weights, output.weights_gradient);
    check_gradient(input, &LayerInput::in_weights, output.in_weights_gradient);
    check_gradient(input, &LayerInput::out_weights, output.out_weights_gradient);
  }
}

TEST_CASE(
    "an expert without tokens gets no gradient, and a token is the weighted sum of its experts") {
  Rng rng = RngStreams(8, 0).stream("test");
  LayerInput input =
      random_layer({.tokens = 6, .hidden = 4, .ffn = 3, .experts = 3, .top_k = 2}, rng);
  const LayerOutput output = reference_layer(input);
  const std::size_t expert = input.in_weights.size() / 3;
  for (std::size_t i = expert; i < 2 * expert; ++i) CHECK(output.in_weights_gradient[i] == 0);
  // Twice the gate's weights: twice the output.
  for (auto& weight : input.weights) weight *= 2;
  const LayerOutput doubled = reference_layer(input);
  for (std::size_t i = 0; i < output.y.size(); ++i) CHECK(doubled.y[i] == Approx(2 * output.y[i]));
}

TEST_CASE("Adam's first step moves every weight by the rate against its gradient's sign") {
  AdamState state{{1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
  reference_adam(state, {2, -0.5, 0}, {.rate = 0.125, .epsilon = 1e-12});
  CHECK(state.master[0] == Approx(0.875));
  CHECK(state.master[1] == Approx(1.125));
  CHECK(state.master[2] == 1);
  CHECK(state.momentum[0] == Approx(0.2));
  CHECK(state.variance[1] == Approx(0.00025));
}

TEST_CASE("an error of NaN or of another length never passes") {
  CHECK(relative_error({1, 2}, {1, 2}) == 0);
  CHECK(relative_error({3, 4}, {0, 0}) > 1e300);
  CHECK(relative_error({1}, {1, 2}) > 1e300);
  CHECK(relative_error({std::nan("")}, {1}) > 1e300);
  CHECK(relative_error({2}, {1}) == 1);
}

}  // namespace
}  // namespace bethany
