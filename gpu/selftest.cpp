#include "gpu/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpu/reference.h"
#include "sim/base/error.h"

namespace bethany {
namespace {

/// Rounding of values and sums in float, or of operands in bf16.
double bound_of(const std::string& precision) { return precision == "fp32" ? 1e-5 : 1e-2; }

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
    adam();
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
        const double bound = bound_of(precision);
        add(what + "y", got.y, expected.y, bound);
        add(what + "dx", got.x_gradient, expected.x_gradient, bound);
        add(what + "dgate", got.weights_gradient, expected.weights_gradient, bound);
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

  void adam() {
    constexpr std::size_t kCount = 1003;
    AdamState state{normals(kCount, 1), normals(kCount, 0.125), normals(kCount, 0.125)};
    for (auto& v : state.variance) v = std::abs(v);
    AdamState expected = state;
    for (int step = 1; step <= 3; ++step) {
      // Multiples of 1/64 below 8 in size: exact in bf16.
      auto gradient = normals(kCount, 1);
      for (auto& g : gradient) g = std::clamp(std::round(g * 16) / 16, -4.0F, 4.0F);
      const AdamOptions options{.rate = 0.01, .step = step};
      reference_adam(expected, gradient, options);
      backend_.numerics()->adam(state, gradient, options);
    }
    add("adam master, 3 steps", widened(state.master), widened(expected.master), 1e-6);
    add("adam momentum", widened(state.momentum), widened(expected.momentum), 1e-6);
    add("adam variance", widened(state.variance), widened(expected.variance), 1e-6);
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
