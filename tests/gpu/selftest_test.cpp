// The comparison with the reference holds 16-bit arithmetic to its own precision.
#include "gpu/selftest.h"

#include "gpu/cpu/operations.h"
#include "gpu/cpu/rounding.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

/// The CPU's arithmetic, whose results are rounded as `rounding`, and which says that this is
/// `precision`.
class RoundedNumerics final : public Numerics {
 public:
  RoundedNumerics(std::string precision, Products rounding)
      : precision_(std::move(precision)), rounding_(rounding) {}

  std::vector<std::string> precisions() const override { return {precision_}; }
  LayerOutput layer(const LayerInput& input, const std::string& precision,
                    const std::string& variant) override {
    CHECK(precision == precision_);
    auto output = numerics_->layer(input, precision, variant);
    for (auto* array : {&output.y, &output.x_gradient, &output.in_weights_gradient,
                        &output.out_weights_gradient}) {
      *array = rounded(*array);
    }
    return output;
  }
  std::vector<double> adam(AdamState& state, const std::vector<float>& gradient,
                           const AdamOptions& options, const std::string& precision) override {
    return rounded(numerics_->adam(state, gradient, options, precision));
  }
  std::vector<double> logits(const std::vector<float>& x, const std::vector<float>& weight,
                             int rows, int in, int out, const std::string& precision) override {
    return rounded(numerics_->logits(x, weight, rows, in, out, precision));
  }
  std::vector<float> slice_sum(const std::vector<std::vector<float>>& slices) override {
    return numerics_->slice_sum(slices);
  }
  void top_k(const std::vector<float>& logits, int rows, int experts, int k, std::vector<int>& ids,
             std::vector<float>& probabilities) override {
    numerics_->top_k(logits, rows, experts, k, ids, probabilities);
  }

 private:
  std::vector<double> rounded(const std::vector<double>& values) const {
    std::vector<double> result;
    for (const double value : values) {
      result.push_back(cpu::rounded(static_cast<float>(value), rounding_));
    }
    return result;
  }

  std::string precision_;
  Products rounding_;
  std::unique_ptr<Compute> compute_ = make_compute("cpu");
  std::unique_ptr<Numerics> numerics_ = cpu::numerics_of(*compute_);
};

class RoundedBackend final : public Backend {
 public:
  RoundedBackend(const std::string& precision, Products rounding)
      : numerics_(precision, rounding) {}
  Machine machine() const override { return {}; }
  std::string refuses(const Point&) const override { return "nothing is measured"; }
  std::unique_ptr<PreparedOperation> prepare(const Point&) override { return nullptr; }
  std::vector<std::string> expert_variants() const override { return {"loop"}; }
  Numerics* numerics() override { return &numerics_; }

 private:
  RoundedNumerics numerics_;
};

/// A backend's self-test, which takes seconds, asked about more than once.
struct Checked {
  Checked(const std::string& precision, Products rounding) {
    RoundedBackend backend(precision, rounding);
    results = selftest(backend, 3);
  }
  /// How many checks of a kind fail.
  int failures(const std::string& kind) const {
    int failed = 0;
    for (const auto& result : results) {
      if (result.what.find(kind) != std::string::npos) failed += result.passed() ? 0 : 1;
    }
    return failed;
  }
  std::vector<CheckResult> results;
};

TEST_CASE("results that are rounded once to the precision they claim are within its bounds") {
  for (const auto& [precision, rounding] : std::vector<std::pair<std::string, Products>>{
           {"bf16", Products::bf16}, {"fp16", Products::fp16}}) {
    INFO(precision);
    const Checked checked(precision, rounding);
    CHECK(checked.failures("layer") == 0);
    CHECK(checked.failures("adam") == 0);
    CHECK(checked.failures("gate logits") == 1);  // they come out as floats
  }
}

TEST_CASE("bf16 does not pass for fp16, nor fp16 for fp32") {
  // Six layers with four arrays each that are rounded.
  const Checked coarse("fp16", Products::bf16);
  CHECK(coarse.failures("layer") == 24);
  CHECK(coarse.failures("weight") == 1);
  const Checked half("fp32", Products::fp16);
  CHECK(half.failures("layer") == 24);
  CHECK(half.failures("weight") == 1);
}

}  // namespace
}  // namespace bethany
