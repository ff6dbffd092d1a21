#include "gpu/compute.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <unordered_map>
#include <vector>

#include "gpu/cpu/blocked_product.h"
#include "gpu/cpu/loops.h"
#include "gpu/cpu/operations.h"
#include "gpu/cpu/rounding.h"
#include "gpu/fabric/reduce.h"
#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/object_reader.h"

#ifdef BETHANY_OPENBLAS
#include <cblas.h>
#endif

namespace bethany::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

#ifdef BETHANY_OPENBLAS
void product_by_blas(const ProductShape& shape, const float* a, const float* b, float* c) {
  const auto narrow = [](std::int64_t value) { return static_cast<blasint>(value); };
  const auto stride = [](std::int64_t given, std::int64_t tight) {
    return static_cast<blasint>(given == 0 ? tight : given);
  };
  cblas_sgemm(CblasRowMajor, shape.a_transposed ? CblasTrans : CblasNoTrans,
              shape.b_transposed ? CblasTrans : CblasNoTrans, narrow(shape.rows),
              narrow(shape.columns), narrow(shape.inner), 1.0F, a,
              stride(shape.a_stride, shape.a_transposed ? shape.rows : shape.inner), b,
              stride(shape.b_stride, shape.b_transposed ? shape.inner : shape.columns),
              shape.accumulate ? 1.0F : 0.0F, c, stride(shape.c_stride, shape.columns));
}
#endif

/// An operand without gaps between its rows, rounded. Others are compared with such products: the
/// copy costs time, and is not counted as memory of the rank.
std::vector<float> rounded_copy(const float* operand, std::int64_t rows, std::int64_t width,
                                std::int64_t stride, Products products) {
  std::vector<float> copy;
  copy.reserve(static_cast<std::size_t>(rows * width));
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* from = operand + row * (stride == 0 ? width : stride);
    for (std::int64_t i = 0; i < width; ++i) copy.push_back(rounded(from[i], products));
  }
  return copy;
}

class Cpu final : public Compute {
 public:
  explicit Cpu(Products products) : products_(products) {
#ifdef BETHANY_OPENBLAS
    openblas_set_num_threads(1);  // ranks are the parallelism
#endif
  }

  std::byte* allocate(std::size_t bytes) override {
    auto* memory = static_cast<std::byte*>(::operator new(bytes, kAlignment, std::nothrow));
    if (memory == nullptr) throw MachineError(fmt::format("no memory for {} bytes", bytes));
    std::memset(memory, 0xFF, bytes);  // NaN: what is read before it is written shows
    sizes_[memory] = bytes;
    allocated_ += bytes;
    peak_ = std::max(peak_, allocated_);
    return memory;
  }
  void release(std::byte* memory) override {
    const auto found = sizes_.find(memory);
    BETHANY_CHECK(found != sizes_.end(), "memory released that is not allocated");
    allocated_ -= found->second;
    sizes_.erase(found);
    ::operator delete(memory, kAlignment);
  }
  std::size_t peak_bytes() const override { return peak_; }
  void upload(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void clear(void* memory, std::size_t bytes) override {
    if (bytes > 0) std::memset(memory, 0, bytes);
  }
  void synchronize() override {}

  Products products() const override { return products_; }
  void product(const ProductShape& shape, const float* a, const float* b, float* c) override {
    if (shape.rows == 0 || shape.columns == 0) return;
    if (products_ == Products::fp32 || shape.inner == 0) return multiply(shape, a, b, c);
    const auto copy = [&](const float* operand, bool transposed, std::int64_t rows,
                          std::int64_t columns, std::int64_t stride) {
      return rounded_copy(operand, transposed ? columns : rows, transposed ? rows : columns, stride,
                          products_);
    };
    const auto left = copy(a, shape.a_transposed, shape.rows, shape.inner, shape.a_stride);
    const auto right = copy(b, shape.b_transposed, shape.inner, shape.columns, shape.b_stride);
    ProductShape tight = shape;
    tight.a_stride = 0;
    tight.b_stride = 0;
    multiply(tight, left.data(), right.data(), c);
  }

  void gather(const float* in, const int* order, const float* weights, int top_k, std::int64_t rows,
              int width, float* out) override {
    cpu::gather(in, order, weights, top_k, rows, width, out);
  }
  void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                   std::int64_t tokens, int width, float* out) override {
    cpu::scatter_sum(in, position, weights, top_k, tokens, width, out);
  }
  void row_dot(const float* a, const float* b, const int* position, int top_k, std::int64_t pairs,
               int width, float* out) override {
    cpu::row_dot(a, b, position, top_k, pairs, width, out);
  }
  void add(float* values, const float* other, std::int64_t count) override {
    for (std::int64_t i = 0; i < count; ++i) values[i] += other[i];
  }
  void slice_sum(std::span<const float* const> slices, std::int64_t count, float* out) override {
    sum_slices(slices, count, out);
  }
  void fold(float* values, std::int64_t count) override {
    for (std::int64_t i = 0; i < count; ++i) values[i] = folded(values[i]);
  }

  void activation_forward(const ActivationShape& shape, const float* inner, float* out) override {
    cpu::activation_forward(shape, inner, out);
  }
  void activation_backward(const ActivationShape& shape, const float* inner,
                           const float* out_gradient, float* inner_gradient) override {
    cpu::activation_backward(shape, inner, out_gradient, inner_gradient);
  }
  void gate_choose(const GateShape& shape, const float* logits, int* ids) override {
    cpu::gate_choose(shape, logits, ids);
  }
  void gate_weigh(const GateShape& shape, const float* logits, const int* ids, float* probabilities,
                  float* weights) override {
    cpu::gate_weigh(shape, logits, ids, probabilities, weights);
  }
  void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                     const float* weight_gradient, float* logit_gradient) override {
    cpu::gate_backward(shape, ids, probabilities, weight_gradient, logit_gradient);
  }
  void causal_forward(const CausalShape& shape, float* scores) override {
    cpu::causal_forward(shape, scores);
  }
  void causal_backward(const CausalShape& shape, const float* probabilities,
                       float* gradient) override {
    cpu::causal_backward(shape, probabilities, gradient);
  }
  void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                    float* inverse) override {
    cpu::norm_forward(shape, x, gain, out, inverse);
  }
  void norm_backward(const NormShape& shape, const float* x, const float* gain,
                     const float* inverse, const float* out_gradient, float* x_gradient,
                     float* gain_gradient) override {
    cpu::norm_backward(shape, x, gain, inverse, out_gradient, x_gradient, gain_gradient);
  }

  double squared_distance(const float* values, const float* target, std::int64_t count,
                          float* gradient) override {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      gradient[i] = values[i] - target[i];
      sum += 0.5 * static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    return sum;
  }
  void adam(const OptimizerArrays& arrays, std::int64_t count,
            const AdamArguments& arguments) override {
    cpu::adam(arrays, count, arguments);
  }
  void exact_update(const OptimizerArrays& arrays, std::int64_t count) override {
    cpu::exact_update(arrays, count);
  }

 private:
  static void multiply(const ProductShape& shape, const float* a, const float* b, float* c) {
#ifdef BETHANY_OPENBLAS
    if (shape.inner > 0) return product_by_blas(shape, a, b, c);
#endif
    blocked_product(shape, a, b, c);
  }

  Products products_;
  std::unordered_map<std::byte*, std::size_t> sizes_;
  std::size_t allocated_ = 0;
  std::size_t peak_ = 0;
};

const bool registered = computes().add({
    .name = "cpu",
#ifdef BETHANY_OPENBLAS
    .summary = "one core of the host; products by OpenBLAS",
#else
    .summary = "one core of the host; products by an own kernel",
#endif
    .make = [](ObjectReader& options) -> std::unique_ptr<Compute> {
      return std::make_unique<Cpu>(
          products_named(options.choice("products", products_names(), "fp32")));
    },
});

}  // namespace

std::string blas_name() {
#ifdef BETHANY_OPENBLAS
  return openblas_get_config();
#else
  return "own kernel";
#endif
}

}  // namespace bethany::cpu
