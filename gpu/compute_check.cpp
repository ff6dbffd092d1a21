#include "gpu/compute_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <optional>

#include "gpu/products_check.h"
#include "gpu/reference.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

constexpr double kRealBound = 1e-5;  // rounding of sums in float
constexpr double kWrong = std::numeric_limits<double>::infinity();

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// An array in the memory of one of the two, with a margin behind it that nobody may write to.
template <class T>
class Guarded {
 public:
  Guarded(Compute& compute, std::vector<T> values) : compute_(compute), count_(values.size()) {
    values.resize(count_ + kMargin, kUntouched);
    memory_ = reinterpret_cast<T*>(compute.allocate(values.size() * sizeof(T)));
    compute.upload(memory_, values.data(), values.size() * sizeof(T));
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { compute_.release(reinterpret_cast<std::byte*>(memory_)); }

  T* data() { return memory_; }
  /// Nothing when the margin was written to.
  std::optional<std::vector<T>> read() const {
    std::vector<T> values(count_ + kMargin);
    compute_.download(values.data(), memory_, values.size() * sizeof(T));
    const auto margin = values.begin() + static_cast<std::ptrdiff_t>(count_);
    if (std::any_of(margin, values.end(), [](T value) { return value != kUntouched; })) return {};
    values.resize(count_);
    return values;
  }

 private:
  static constexpr std::size_t kMargin = 64;
  static constexpr T kUntouched = 12345;

  Compute& compute_;
  std::size_t count_;
  T* memory_ = nullptr;
};

/// One of the two with all arrays of one operation, in the order in which they were made.
class Bench {
 public:
  explicit Bench(Compute& device) : compute(device) {}

  float* in(std::vector<float> values) { return floats.emplace_back(compute, values).data(); }
  int* in(std::vector<int> values) { return ints.emplace_back(compute, values).data(); }
  /// NaN until it is written.
  float* out(std::int64_t count) {
    return in(std::vector<float>(z(count), std::numeric_limits<float>::quiet_NaN()));
  }

  Compute& compute;
  std::deque<Guarded<float>> floats;
  std::deque<Guarded<int>> ints;
  std::vector<double> numbers;  // answers that are no arrays
};

double difference(const std::vector<double>& a, const std::vector<double>& b, bool exact) {
  if (!exact) return relative_error(a, b);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double apart = std::abs(a[i] - b[i]);
    worst = std::isnan(apart) ? kWrong : std::max(worst, apart);
  }
  return worst;
}

template <class T>
double difference(const std::deque<Guarded<T>>& a, const std::deque<Guarded<T>>& b, bool exact) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto left = a[i].read();
    const auto right = b[i].read();
    if (!left || !right) return kWrong;
    worst = std::max(worst, difference(std::vector<double>(left->begin(), left->end()),
                                       std::vector<double>(right->begin(), right->end()), exact));
  }
  return worst;
}

const char* word(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::exact ? "exact" : "real";
}

class Comparison {
 public:
  Comparison(Compute& tested, Compute& trusted, std::uint64_t seed)
      : tested_(tested), trusted_(trusted), rng_(RngStreams(seed, 0).stream("gpu/compute_check")) {}

  std::vector<CheckResult> run() {
    memory();
    for (const auto arithmetic : {Arithmetic::real, Arithmetic::exact}) {
      arithmetic_ = arithmetic;
      products();
      rows();
      sums();
      activations();
      gates();
      attention();
      norms();
      loss();
    }
    optimizers();
    return std::move(results_);
  }

 private:
  using Work = std::function<void(Bench&)>;

  /// `copies`: nothing is rounded, whatever the arithmetic.
  void check(const std::string& what, const Work& work, bool copies = false) {
    Bench tested(tested_);
    Bench trusted(trusted_);
    work(tested);
    work(trusted);
    const bool exact = copies || arithmetic_ == Arithmetic::exact;
    const double error = std::max({difference(tested.floats, trusted.floats, exact),
                                   difference(tested.ints, trusted.ints, true),
                                   difference(tested.numbers, trusted.numbers, exact)});
    results_.push_back({what, error, exact ? 0 : kRealBound});
  }

  /// Of -4..4, or integers of -3..3.
  std::vector<float> values(std::int64_t count) {
    std::vector<float> result(z(count));
    for (auto& value : result) {
      value = arithmetic_ == Arithmetic::exact ? static_cast<float>(rng_.below(7)) - 3
                                               : static_cast<float>(rng_.below(4097)) / 512 - 4;
    }
    return result;
  }
  std::vector<float> positive(std::int64_t count) {
    auto result = values(count);
    for (auto& value : result) value = std::abs(value) + 0.125F;
    return result;
  }
  /// Sums of exact arithmetic before they are folded.
  std::vector<float> large(std::int64_t count) {
    if (arithmetic_ == Arithmetic::real) return values(count);
    std::vector<float> result(z(count));
    for (auto& value : result) value = static_cast<float>(rng_.below(2001)) - 1000;
    return result;
  }
  std::vector<int> below(std::int64_t count, std::int64_t limit) {
    std::vector<int> result(z(count));
    for (auto& value : result) {
      value = static_cast<int>(rng_.below(static_cast<std::uint64_t>(limit)));
    }
    return result;
  }

  void memory() {
    arithmetic_ = Arithmetic::real;
    const auto numbers = values(1001);
    check(
        "copy", [&](Bench& b) { b.compute.copy(b.out(1001), b.in(numbers), 1001 * sizeof(float)); },
        true);
    check(
        "clear", [&](Bench& b) { b.compute.clear(b.in(numbers), 1001 * sizeof(float)); }, true);
    // Whether anything can be wrong there is known from the arrays of all other operations.
    check(
        "nothing",
        [&](Bench& b) {
          b.in(numbers);
          b.compute.add(nullptr, nullptr, 0);
          b.compute.fold(nullptr, 0);
          b.compute.gather(nullptr, nullptr, nullptr, 1, 0, 8, nullptr);
          b.compute.norm_forward({.rows = 0, .width = 8}, nullptr, nullptr, nullptr, nullptr);
          b.compute.activation_forward({.rows = 0, .width = 8}, nullptr, nullptr);
          b.compute.causal_forward({.matrices = 0, .length = 8}, nullptr);
          b.compute.product({.rows = 0, .columns = 8, .inner = 8}, nullptr, nullptr, nullptr);
        },
        true);
  }

  void products() {
    struct Size {
      std::int64_t rows, columns, inner, gap;
    };
    for (const auto& size : {Size{1, 1, 1, 0}, Size{5, 7, 3, 0}, Size{64, 48, 32, 0},
                             Size{33, 65, 129, 5}, Size{129, 8, 257, 0}, Size{8, 8, 0, 0}}) {
      for (int kind = 0; kind < 8; ++kind) {
        product({.rows = size.rows,
                 .columns = size.columns,
                 .inner = size.inner,
                 .a_transposed = (kind & 1) != 0,
                 .b_transposed = (kind & 2) != 0,
                 .accumulate = (kind & 4) != 0},
                size.gap);
      }
    }
  }

  void product(ProductShape shape, std::int64_t gap) {
    const std::int64_t a_width = shape.a_transposed ? shape.rows : shape.inner;
    const std::int64_t b_width = shape.b_transposed ? shape.inner : shape.columns;
    if (gap > 0) {
      shape.a_stride = a_width + gap;
      shape.b_stride = b_width + 2 * gap;
      shape.c_stride = shape.columns + 3 * gap;
    }
    const auto a = values((shape.a_transposed ? shape.inner : shape.rows) * (a_width + gap));
    const auto b = values((shape.b_transposed ? shape.columns : shape.inner) * (b_width + 2 * gap));
    const auto c = values(shape.rows * (shape.columns + 3 * gap));
    check(
        fmt::format("product {} {} × {} × {}{}{}{}{}", word(arithmetic_), shape.rows, shape.columns,
                    shape.inner, shape.a_transposed ? ", aᵀ" : "", shape.b_transposed ? ", bᵀ" : "",
                    shape.accumulate ? ", added" : "", gap > 0 ? ", with gaps" : ""),
        [&](Bench& bench) {
          // What lies in the gaps stays; without gaps nothing that was there may be read.
          float* to =
              gap > 0 || shape.accumulate ? bench.in(c) : bench.out(shape.rows * shape.columns);
          bench.compute.product(shape, bench.in(a), bench.in(b), to);
        });
  }

  void rows() {
    constexpr std::int64_t kTokens = 37;
    for (const int width : {8, 136, 1032}) {
      for (const int top_k : {1, 3}) {
        const std::int64_t pairs = kTokens * top_k;
        const auto tokens = values(kTokens * width);
        const auto routed = values(pairs * width);
        const auto weights = values(pairs);
        auto order = below(2 * pairs, pairs);
        for (std::size_t i = 3; i < order.size(); i += 7) order[i] = -1;  // rows of zeros
        const auto position = below(pairs, pairs);
        const auto size =
            fmt::format("{} {} × {}, top {}", word(arithmetic_), kTokens, width, top_k);
        for (const bool weighted : {false, true}) {
          const auto what = size + (weighted ? ", weighted" : "");
          check("gather " + what, [&](Bench& b) {
            b.compute.gather(b.in(tokens), b.in(order), weighted ? b.in(weights) : nullptr, top_k,
                             2 * pairs, width, b.out(2 * pairs * width));
          });
          check("scatter_sum " + what, [&](Bench& b) {
            b.compute.scatter_sum(b.in(routed), b.in(position), weighted ? b.in(weights) : nullptr,
                                  top_k, kTokens, width, b.out(kTokens * width));
          });
        }
        check("row_dot " + size, [&](Bench& b) {
          b.compute.row_dot(b.in(tokens), b.in(routed), b.in(position), top_k, pairs, width,
                            b.out(pairs));
        });
      }
    }
  }

  void sums() {
    constexpr std::int64_t kCount = 4099;
    const auto first = values(kCount);
    const auto second = values(kCount);
    const auto third = values(kCount);
    check(fmt::format("add {}", word(arithmetic_)),
          [&](Bench& b) { b.compute.add(b.in(first), b.in(second), kCount); });
    for (const std::int64_t offset : {0, 1}) {  // slices begin anywhere
      for (const bool in_place : {false, true}) {
        check(
            fmt::format("slice_sum {} from {}{}", word(arithmetic_), offset,
                        in_place ? ", in the place of the second" : ""),
            [&](Bench& b) {
              float* middle = b.in(second) + offset;
              const float* slices[] = {b.in(first) + offset, middle, b.in(third) + offset};
              const std::int64_t count = kCount - offset;
              b.compute.slice_sum(slices, count, in_place ? middle : b.out(count));
            },
            true);  // the order is the same: so are the bits
      }
    }
    if (arithmetic_ == Arithmetic::real) return;
    std::vector<float> sums(z(kCount));
    for (auto& sum : sums) {
      sum =
          static_cast<float>(rng_.below(2 * kExactLimit - 1)) - static_cast<float>(kExactLimit - 1);
    }
    check("fold", [&](Bench& b) { b.compute.fold(b.in(sums), kCount); });
  }

  void activations() {
    for (const int width : {8, 136}) {
      for (const bool gated : {false, true}) {
        const ActivationShape shape{
            .arithmetic = arithmetic_, .gated = gated, .rows = 29, .width = width};
        const std::int64_t count = shape.rows * width;
        const auto inner = values(count * (gated ? 2 : 1));
        const auto gradient = values(count);
        const auto what = fmt::format("{} {} × {}{}", word(arithmetic_), shape.rows, width,
                                      gated ? ", gated" : "");
        check("activation_forward " + what,
              [&](Bench& b) { b.compute.activation_forward(shape, b.in(inner), b.out(count)); });
        check("activation_backward " + what, [&](Bench& b) {
          b.compute.activation_backward(shape, b.in(inner), b.in(gradient),
                                        b.out(count * (gated ? 2 : 1)));
        });
      }
    }
  }

  void gates() {
    for (const int experts : {1, 5, 33, 300}) {
      for (const int top_k : {1, 2, 8}) {
        if (top_k > experts) continue;
        gate({.arithmetic = arithmetic_, .tokens = 67, .experts = experts, .top_k = top_k});
      }
    }
  }

  void gate(const GateShape& shape) {
    const std::int64_t pairs = shape.tokens * shape.top_k;
    const auto logits = large(shape.tokens * shape.experts);
    const auto gradient = values(pairs);
    std::vector<int> ids;  // different ones for each token
    std::vector<int> all(z(shape.experts));
    for (int e = 0; e < shape.experts; ++e) all[z(e)] = e;
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
      rng_.shuffle(all);
      ids.insert(ids.end(), all.begin(), all.begin() + shape.top_k);
    }
    std::vector<float> probabilities(logits.size(), 1 / static_cast<float>(shape.experts));
    const bool exact = shape.arithmetic == Arithmetic::exact;
    const auto what = fmt::format("{} top {} of {}", word(arithmetic_), shape.top_k, shape.experts);
    check("gate_choose " + what, [&](Bench& b) {
      b.compute.gate_choose(shape, b.in(logits), b.in(std::vector<int>(z(pairs), -1)));
    });
    // Many equal logits: the lower expert comes first.
    std::vector<float> ties(logits.size());
    for (auto& tie : ties) tie = static_cast<float>(rng_.below(3));
    check("gate_choose ties, " + what, [&](Bench& b) {
      b.compute.gate_choose(shape, b.in(ties), b.in(std::vector<int>(z(pairs), -1)));
    });
    check("gate_weigh " + what, [&](Bench& b) {
      const auto count = static_cast<std::int64_t>(logits.size());
      b.compute.gate_weigh(shape, b.in(logits), b.in(ids),
                           exact ? b.in(probabilities) : b.out(count), b.out(pairs));
    });
    check("gate_backward " + what, [&](Bench& b) {
      b.compute.gate_backward(shape, b.in(ids), b.in(probabilities), b.in(gradient),
                              b.out(static_cast<std::int64_t>(logits.size())));
    });
  }

  void attention() {
    for (const int length : {1, 7, 32, 65}) {
      const CausalShape shape{
          .arithmetic = arithmetic_, .matrices = 5, .length = length, .scale = 0.3F};
      const std::int64_t count = shape.matrices * length * length;
      const auto scores = large(count);
      const auto probabilities = positive(count);
      const auto what = fmt::format("{} {} × {}", word(arithmetic_), length, length);
      check("causal_forward " + what,
            [&](Bench& b) { b.compute.causal_forward(shape, b.in(scores)); });
      check("causal_backward " + what,
            [&](Bench& b) { b.compute.causal_backward(shape, b.in(probabilities), b.in(scores)); });
    }
  }

  void norms() {
    for (const std::int64_t rows : {3, 64, 300}) {
      for (const int width : {8, 137}) {
        const NormShape shape{.arithmetic = arithmetic_, .rows = rows, .width = width};
        const bool exact = arithmetic_ == Arithmetic::exact;
        const auto x = values(rows * width);
        const auto gain = values(width);
        const auto inverse = exact ? std::vector<float>(z(rows), 1) : positive(rows);
        const auto gradient = values(rows * width);
        const auto x_gradient = values(rows * width);
        const auto gain_gradient = values(width);
        const auto what = fmt::format("{} {} × {}", word(arithmetic_), rows, width);
        check("norm_forward " + what, [&](Bench& b) {
          b.compute.norm_forward(shape, b.in(x), b.in(gain), b.out(rows * width), b.out(rows));
        });
        check("norm_backward " + what, [&](Bench& b) {
          b.compute.norm_backward(shape, b.in(x), b.in(gain), b.in(inverse), b.in(gradient),
                                  b.in(x_gradient), b.in(gain_gradient));
        });
      }
    }
  }

  void loss() {
    for (const std::int64_t count : {0, 1, 255, 66007}) {
      const auto outputs = values(count);
      const auto targets = values(count);
      check(fmt::format("squared_distance {} {}", word(arithmetic_), count), [&](Bench& b) {
        b.numbers.push_back(
            b.compute.squared_distance(b.in(outputs), b.in(targets), count, b.out(count)));
      });
    }
  }

  void optimizers() {
    constexpr std::int64_t kCount = 1003;
    for (const auto arithmetic : {Arithmetic::real, Arithmetic::exact}) {
      arithmetic_ = arithmetic;
      const auto weights = values(kCount);
      const auto momentum = values(kCount);
      const auto variance = arithmetic == Arithmetic::real ? positive(kCount) : values(kCount);
      const auto gradient = large(kCount);
      const bool real = arithmetic == Arithmetic::real;
      check(real ? "adam" : "exact_update", [&](Bench& b) {
        const OptimizerArrays arrays{.weights = b.in(weights),
                                     .momentum = b.in(momentum),
                                     .variance = b.in(variance),
                                     .gradient = b.in(gradient)};
        const AdamArguments arguments{
            .rate = 0.05F, .bias1 = 5.26F, .bias2 = 500.25F, .gradient_scale = 0.25F};
        for (int step = 0; step < 3; ++step) {
          if (real) {
            b.compute.adam(arrays, kCount, arguments);
          } else {
            b.compute.exact_update(arrays, kCount);
          }
        }
      });
    }
  }

  static constexpr std::int64_t kExactLimit = 1 << 24;

  Compute& tested_;
  Compute& trusted_;
  Rng rng_;
  Arithmetic arithmetic_ = Arithmetic::real;
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> compare_computes(Compute& tested, Compute& trusted, std::uint64_t seed) {
  return Comparison(tested, trusted, seed).run();
}

std::vector<CheckResult> check_compute(const std::string& name, std::uint64_t seed) {
  if (computes().find(name) == nullptr) return {};
  const auto tested = make_compute(name);
  const auto trusted = make_compute("cpu");
  auto results = compare_computes(*tested, *trusted, seed);
  const auto products = check_products(name, seed);
  results.insert(results.end(), products.begin(), products.end());
  return results;
}

}  // namespace bethany
