// The comparison of two arithmetics, which decides whether a GPU's is believed: it has to notice
// every operation that is wrong.
#include "gpu/compute_check.h"

#include <algorithm>

#include "gpu/rank_check.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// The CPU's arithmetic with one operation whose result is wrong in one place.
class Spoiled final : public Compute {
 public:
  Spoiled(std::string operation, bool behind) : operation_(std::move(operation)), behind_(behind) {}

  std::byte* allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
  void release(std::byte* memory) override { cpu_->release(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    cpu_->upload(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    cpu_->download(to, from, bytes);
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    cpu_->copy(to, from, bytes);
    spoil("copy", to, bytes / sizeof(float));
  }
  void clear(void* memory, std::size_t bytes) override {
    cpu_->clear(memory, bytes);
    spoil("clear", memory, bytes / sizeof(float));
  }
  void synchronize() override { cpu_->synchronize(); }

  void product(const ProductShape& shape, const float* a, const float* b, float* c) override {
    cpu_->product(shape, a, b, c);
    const auto stride = shape.c_stride == 0 ? shape.columns : shape.c_stride;
    spoil("product", c, (shape.rows - 1) * stride + shape.columns);
  }
  void gather(const float* in, const int* order, const float* weights, int top_k, std::int64_t rows,
              int width, float* out) override {
    cpu_->gather(in, order, weights, top_k, rows, width, out);
    spoil("gather", out, rows * width);
  }
  void scatter_sum(const float* in, const int* position, const float* weights, int top_k,
                   std::int64_t tokens, int width, float* out) override {
    cpu_->scatter_sum(in, position, weights, top_k, tokens, width, out);
    spoil("scatter_sum", out, tokens * width);
  }
  void row_dot(const float* a, const float* b, const int* position, int top_k, std::int64_t pairs,
               int width, float* out) override {
    cpu_->row_dot(a, b, position, top_k, pairs, width, out);
    spoil("row_dot", out, pairs);
  }
  void add(float* values, const float* other, std::int64_t count) override {
    cpu_->add(values, other, count);
    spoil("add", values, count);
  }
  void slice_sum(std::span<const float* const> slices, std::int64_t count, float* out) override {
    cpu_->slice_sum(slices, count, out);
    spoil("slice_sum", out, count);
  }
  void fold(float* values, std::int64_t count) override {
    cpu_->fold(values, count);
    spoil("fold", values, count);
  }
  void activation_forward(const ActivationShape& shape, const float* inner, float* out) override {
    cpu_->activation_forward(shape, inner, out);
    spoil("activation_forward", out, shape.rows * shape.width);
  }
  void activation_backward(const ActivationShape& shape, const float* inner,
                           const float* out_gradient, float* inner_gradient) override {
    cpu_->activation_backward(shape, inner, out_gradient, inner_gradient);
    spoil("activation_backward", inner_gradient, shape.rows * shape.width * (shape.gated ? 2 : 1));
  }
  void gate_choose(const GateShape& shape, const float* logits, int* ids) override {
    cpu_->gate_choose(shape, logits, ids);
    spoil("gate_choose", ids, shape.tokens * shape.top_k);
  }
  void gate_weigh(const GateShape& shape, const float* logits, const int* ids, float* probabilities,
                  float* weights) override {
    cpu_->gate_weigh(shape, logits, ids, probabilities, weights);
    spoil("gate_weigh", weights, shape.tokens * shape.top_k);
    spoil("gate_weigh probabilities", probabilities, shape.tokens * shape.experts);
  }
  void gate_backward(const GateShape& shape, const int* ids, const float* probabilities,
                     const float* weight_gradient, float* logit_gradient) override {
    cpu_->gate_backward(shape, ids, probabilities, weight_gradient, logit_gradient);
    spoil("gate_backward", logit_gradient, shape.tokens * shape.experts);
  }
  void causal_forward(const CausalShape& shape, float* scores) override {
    cpu_->causal_forward(shape, scores);
    spoil("causal_forward", scores, shape.matrices * shape.length * shape.length);
  }
  void causal_backward(const CausalShape& shape, const float* probabilities,
                       float* gradient) override {
    cpu_->causal_backward(shape, probabilities, gradient);
    spoil("causal_backward", gradient, shape.matrices * shape.length * shape.length);
  }
  void norm_forward(const NormShape& shape, const float* x, const float* gain, float* out,
                    float* inverse) override {
    cpu_->norm_forward(shape, x, gain, out, inverse);
    spoil("norm_forward", out, shape.rows * shape.width);
    spoil("norm_forward inverse", inverse, shape.rows);
  }
  void norm_backward(const NormShape& shape, const float* x, const float* gain,
                     const float* inverse, const float* out_gradient, float* x_gradient,
                     float* gain_gradient) override {
    cpu_->norm_backward(shape, x, gain, inverse, out_gradient, x_gradient, gain_gradient);
    spoil("norm_backward", x_gradient, shape.rows * shape.width);
    spoil("norm_backward gain", gain_gradient, shape.width);
  }
  double squared_distance(const float* values, const float* target, std::int64_t count,
                          float* gradient) override {
    const double sum = cpu_->squared_distance(values, target, count, gradient);
    spoil("squared_distance", gradient, count);
    return operation_ == "squared_distance sum" ? 1 + 1.001 * sum : sum;
  }
  void adam(const OptimizerArrays& arrays, std::int64_t count,
            const AdamArguments& arguments) override {
    cpu_->adam(arrays, count, arguments);
    spoil_optimizer("adam", arrays, count);
  }
  void exact_update(const OptimizerArrays& arrays, std::int64_t count) override {
    cpu_->exact_update(arrays, count);
    spoil_optimizer("exact_update", arrays, count);
  }

 private:
  void spoil_optimizer(const std::string& operation, const OptimizerArrays& arrays,
                       std::int64_t count) const {
    spoil(operation, arrays.weights, count);
    spoil(operation + " momentum", arrays.momentum, count);
    spoil(operation + " variance", arrays.variance, count);
  }
  /// Changes the last element, or the one behind it.
  template <class Count>
  void spoil(const std::string& operation, void* array, Count count) const {
    if (operation != operation_ || count <= 0 || array == nullptr) return;
    auto& element =
        static_cast<float*>(array)[static_cast<std::ptrdiff_t>(count) - (behind_ ? 0 : 1)];
    element += 1;
  }
  template <class Count>
  void spoil(const std::string& operation, int* array, Count count) const {
    if (operation != operation_ || count <= 0) return;
    array[static_cast<std::ptrdiff_t>(count) - (behind_ ? 0 : 1)] += 1;
  }

  std::unique_ptr<Compute> cpu_ = make_compute("cpu");
  std::string operation_;
  bool behind_;
};

int failures(const std::vector<CheckResult>& results, const std::string& of = "") {
  int failed = 0;
  for (const auto& result : results) {
    if (result.what.starts_with(of)) failed += result.passed() ? 0 : 1;
  }
  return failed;
}

std::vector<CheckResult> results_of(const std::string& operation, bool behind) {
  Spoiled spoiled(operation, behind);
  return compare_computes(spoiled, *make_compute("cpu"), 3);
}

TEST_CASE("an arithmetic agrees with itself in every operation") {
  const auto results = check_compute("cpu", 1);
  CHECK(results.size() > 200);
  CHECK(failures(results) == 0);
  CHECK(check_compute("abacus", 1).empty());
}

TEST_CASE("one wrong element of any operation is noticed, and one behind its array") {
  for (const std::string operation : {"copy",
                                      "clear",
                                      "product",
                                      "gather",
                                      "scatter_sum",
                                      "row_dot",
                                      "add",
                                      "slice_sum",
                                      "fold",
                                      "activation_forward",
                                      "activation_backward",
                                      "gate_choose",
                                      "gate_weigh",
                                      "gate_weigh probabilities",
                                      "gate_backward",
                                      "causal_forward",
                                      "causal_backward",
                                      "norm_forward",
                                      "norm_forward inverse",
                                      "norm_backward",
                                      "norm_backward gain",
                                      "squared_distance",
                                      "squared_distance sum",
                                      "adam",
                                      "adam momentum",
                                      "adam variance",
                                      "exact_update",
                                      "exact_update momentum",
                                      "exact_update variance"}) {
    for (const bool behind : {false, true}) {
      if (behind && operation == "squared_distance sum") continue;  // not an array
      INFO(operation << (behind ? ", behind" : ""));
      const auto results = results_of(operation, behind);
      const auto name = operation.substr(0, operation.find(' '));
      const auto all = std::count_if(results.begin(), results.end(), [&](const auto& result) {
        return result.what == name || result.what.starts_with(name + " ");
      });
      // Of 0 elements there is none to be wrong.
      const int empty = operation == "squared_distance" ? 2 : 0;
      CHECK(failures(results) == all - empty);
      CHECK(all > empty);
      CHECK(failures(results) == failures(results, name));
    }
  }
}

const bool registered = computes().add({
    .name = "spoiled",
    .summary = "wrong sums of slices",
    .make = [](ObjectReader&) -> std::unique_ptr<Compute> {
      return std::make_unique<Spoiled>("slice_sum", false);
    },
});

TEST_CASE("training on several ranks whose gradients are summed up wrongly is noticed") {
  for (const auto& result : check_ranks("spoiled", 1)) {
    INFO(result.what);
    CHECK(result.passed() == result.what.starts_with("training on 1 rank,"));
  }
}

TEST_CASE("ranks that are threads end with the bits of one that trains alone") {
  const auto results = check_ranks("cpu", 1);
  CHECK(results.size() == 9);
  CHECK(failures(results) == 0);
  CHECK(check_ranks("abacus", 1).empty());
}

TEST_CASE("a share of a device that is not there, or of one that shares nothing") {
  CHECK_THROWS_WITH(make_compute("gpu"), Catch::Contains("'gpu'"));
  CHECK(make_compute("cpu", {.rank = 3, .ranks = 4, .partitioned = true})->remark().empty());
}

}  // namespace
}  // namespace bethany
