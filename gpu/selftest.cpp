#include "gpu/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpu/reference.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// By how much, relatively, the nearest number of the precision is off at most.
double unit_roundoff(const std::string& precision) {
  if (precision == "fp32") return 0x1p-24;
  return precision == "fp16" ? 0x1p-11 : 0x1p-8;
}

constexpr double kSums = 1e-5;  // of a few hundred products, in float

/// Of a layer's arrays, in unit roundoffs. In 16 bits a result is rounded at most six times on its
/// way (row, product, activation, product, gradient of the activation, product). One rounding of
/// random numbers is off by 0.4 in the root of the mean square, six of them by 1; the least layer
/// has so few tokens that chance makes up to 1.6 of it. (In fp16 numbers below 2^-14 are off by up
/// to 2^-25: nothing beside arrays whose norm is about 1.)
constexpr double kLayer = 2.5;
/// Of the gradients of the gate's weights: few sums, of terms that cancel.
constexpr double kGateGradient = 5;

std::vector<double> widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

class Selftest {
 public:
  Selftest(Backend& backend, std::uint64_t seed)
      : backend_(backend), rng_(RngStreams(seed, 0).stream("gpu/selftest")) {}

  std::vector<CheckResult> run() {
    // The last has rows and widths that no tile divides; widths stay multiples of 8 (16 bytes).
    const std::vector<LayerInput> sizes = {
        {.tokens = 5, .hidden = 8, .ffn = 16, .experts = 3, .top_k = 1},
        {.tokens = 64, .hidden = 64, .ffn = 128, .experts = 8, .top_k = 2},
        {.tokens = 333, .hidden = 136, .ffn = 264, .experts = 7, .top_k = 3},
    };
    for (const auto& size : sizes) {
      for (const bool gated : {false, true}) {
        LayerInput input = size;
        input.gated = gated;
        layer(random_layer(input, rng_));
      }
    }
    for (const auto& precision : backend_.numerics()->precisions()) {
      adam(precision);
      logits(precision);
    }
    slices();
    gate();
    return std::move(results_);
  }

 private:
  void layer(const LayerInput& input) {
    const LayerOutput expected = reference_layer(input);
    for (const auto& precision : backend_.numerics()->precisions()) {
      for (const auto& variant : backend_.expert_variants()) {
        const auto what =
            fmt::format("layer {} tokens, {} experts, {} {} {}: ", input.tokens, input.experts,
                        input.gated ? "swiglu" : "gelu", precision, variant);
        LayerOutput got;
        try {
          got = backend_.numerics()->layer(input, precision, variant);
        } catch (const MachineError& error) {
          results_.push_back({what + error.what(), std::numeric_limits<double>::infinity(), 0});
          continue;
        }
        const double unit = unit_roundoff(precision);
        const double bound = std::max(kSums, kLayer * unit);
        add(what + "y", got.y, expected.y, bound);
        add(what + "dx", got.x_gradient, expected.x_gradient, bound);
        add(what + "dgate", got.weights_gradient, expected.weights_gradient,
            std::max(kSums, kGateGradient * unit));
        add(what + "dw_in", got.in_weights_gradient, expected.in_weights_gradient, bound);
        add(what + "dw_out", got.out_weights_gradient, expected.out_weights_gradient, bound);
      }
    }
  }

  std::vector<float> normals(std::size_t count, double scale) {
    std::vector<float> values(count);
    for (auto& value : values) {
      value = std::ldexp(std::round(static_cast<float>(rng_.normal()) * 64), -6) *
              static_cast<float>(scale);
    }
    return values;
  }

  /// Multiples of 1/16 up to 4 in size: exact in every precision.
  std::vector<float> coarse(std::size_t count) {
    auto values = normals(count, 1);
    for (auto& value : values) value = std::clamp(std::round(value * 16) / 16, -4.0F, 4.0F);
    return values;
  }

  void adam(const std::string& precision) {
    constexpr std::size_t kCount = 1003;
    AdamState state{normals(kCount, 1), normals(kCount, 0.125), normals(kCount, 0.125)};
    for (auto& v : state.variance) v = std::abs(v);
    AdamState expected = state;
    std::vector<double> weights;
    for (int step = 1; step <= 3; ++step) {
      const auto gradient = coarse(kCount);
      const AdamOptions options{.rate = 0.01, .step = step};
      reference_adam(expected, gradient, options);
      weights = backend_.numerics()->adam(state, gradient, options, precision);
    }
    const auto what = "adam " + precision + ", 3 steps: ";
    add(what + "master", widened(state.master), widened(expected.master), 1e-6);
    add(what + "momentum", widened(state.momentum), widened(expected.momentum), 1e-6);
    add(what + "variance", widened(state.variance), widened(expected.variance), 1e-6);
    // Each is rounded once.
    add(what + "weight", weights, widened(state.master), unit_roundoff(precision));
  }

  void slices() {
    constexpr std::size_t kCount = 4099;
    std::vector<std::vector<float>> parts;
    std::vector<double> sum(kCount, 0);
    for (int slice = 0; slice < 5; ++slice) {
      parts.push_back(normals(kCount, 1));
      for (std::size_t i = 0; i < kCount; ++i) sum[i] += parts.back()[i];
    }
    // Multiples of 1/64: the float sum is exact.
    add("slice sum of 5", widened(backend_.numerics()->slice_sum(parts)), sum, 0);
  }

  /// Of the gate: operands are exact, products are summed in float.
  void logits(const std::string& precision) {
    constexpr int kRows = 333;
    constexpr int kIn = 136;
    constexpr int kOut = 24;
    const auto x = coarse(std::size_t{kRows} * kIn);
    const auto weight = coarse(std::size_t{kOut} * kIn);
    std::vector<double> expected;
    for (std::size_t row = 0; row < kRows; ++row) {
      for (std::size_t out = 0; out < kOut; ++out) {
        double sum = 0;
        for (std::size_t i = 0; i < kIn; ++i) {
          sum += static_cast<double>(x[row * kIn + i]) * static_cast<double>(weight[out * kIn + i]);
        }
        expected.push_back(sum);
      }
    }
    add("gate logits " + precision,
        backend_.numerics()->logits(x, weight, kRows, kIn, kOut, precision), expected, kSums);
  }

  void gate() {
    constexpr int kRows = 257;
    for (const int experts : {8, 16, 256}) {
      for (const int k : {1, 2, 8}) {
        const auto logits = normals(static_cast<std::size_t>(kRows * experts), 1);
        std::vector<int> ids;
        std::vector<float> probabilities;
        backend_.numerics()->top_k(logits, kRows, experts, k, ids, probabilities);
        std::vector<double> expected_ids;
        std::vector<double> expected_probabilities;
        reference_top_k(logits, kRows, experts, k, expected_ids, expected_probabilities);
        const auto what = fmt::format("gate top {} of {}: ", k, experts);
        add(what + "ids", {ids.begin(), ids.end()}, expected_ids, 0);
        add(what + "probabilities", widened(probabilities), expected_probabilities, 1e-5);
      }
    }
  }

  static void reference_top_k(const std::vector<float>& logits, int rows, int experts, int k,
                              std::vector<double>& ids, std::vector<double>& probabilities) {
    for (int row = 0; row < rows; ++row) {
      const float* values = logits.data() + static_cast<std::ptrdiff_t>(row) * experts;
      double sum = 0;
      std::vector<int> order;
      for (int e = 0; e < experts; ++e) {
        sum += std::exp(static_cast<double>(values[e]));
        order.push_back(e);
      }
      std::stable_sort(order.begin(), order.end(),
                       [values](int a, int b) { return values[a] > values[b]; });
      for (int i = 0; i < k; ++i) {
        const int e = order[static_cast<std::size_t>(i)];
        ids.push_back(e);
        probabilities.push_back(std::exp(static_cast<double>(values[e])) / sum);
      }
    }
  }

  void add(const std::string& what, const std::vector<double>& got,
           const std::vector<double>& expected, double bound) {
    results_.push_back({what, relative_error(got, expected), bound});
  }

  Backend& backend_;
  Rng rng_;
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> selftest(Backend& backend, std::uint64_t seed) {
  if (backend.numerics() == nullptr) return {};
  return Selftest(backend, seed).run();
}

}  // namespace bethany
