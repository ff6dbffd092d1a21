// The CPU's arithmetic against loops in float64; the layers' tests check the rest of it.
#include <cmath>

#include "gpu/cpu/blocked_product.h"
#include "gpu/cpu/loops.h"
#include "gpu/reference.h"
#include "sim/base/error.h"
#include "sim/base/random.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

std::vector<float> random_values(Rng& rng, std::int64_t count) {
  std::vector<float> values(z(count));
  for (auto& value : values) value = static_cast<float>(rng.normal());
  return values;
}

/// A product with gaps between rows, as loops, beside what `product` makes of it.
template <class Product>
void check_product(ProductShape shape, Rng& rng, const Product& product) {
  const auto gap = [&](std::int64_t tight) {
    return rng.below(2) == 0 ? 0 : tight + static_cast<std::int64_t>(rng.below(5));
  };
  const std::int64_t a_tight = shape.a_transposed ? shape.rows : shape.inner;
  const std::int64_t b_tight = shape.b_transposed ? shape.inner : shape.columns;
  shape.a_stride = gap(a_tight);
  shape.b_stride = gap(b_tight);
  shape.c_stride = gap(shape.columns);
  const std::int64_t a_step = std::max(shape.a_stride, a_tight);
  const std::int64_t b_step = std::max(shape.b_stride, b_tight);
  const std::int64_t c_step = std::max(shape.c_stride, shape.columns);
  const auto a = random_values(rng, a_step * (shape.a_transposed ? shape.inner : shape.rows));
  const auto b = random_values(rng, b_step * (shape.b_transposed ? shape.columns : shape.inner));
  auto c = random_values(rng, c_step * shape.rows);
  std::vector<double> expected(c.begin(), c.end());
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    for (std::int64_t j = 0; j < shape.columns; ++j) {
      double sum = shape.accumulate ? expected[z(i * c_step + j)] : 0;
      for (std::int64_t k = 0; k < shape.inner; ++k) {
        const float left = a[z(shape.a_transposed ? k * a_step + i : i * a_step + k)];
        const float right = b[z(shape.b_transposed ? j * b_step + k : k * b_step + j)];
        sum += static_cast<double>(left) * static_cast<double>(right);
      }
      expected[z(i * c_step + j)] = sum;
    }
  }
  product(shape, a.data(), b.data(), c.data());
  CHECK(relative_error({c.begin(), c.end()}, expected) < 1e-5);
}

TEST_CASE("products of all forms are those of plain loops, with a BLAS and without") {
  const auto compute = make_compute("cpu");
  Rng rng = RngStreams(3, 0).stream("test/product");
  for (int i = 0; i < 60; ++i) {
    const auto size = [&] { return static_cast<std::int64_t>(1 + rng.below(i < 50 ? 40 : 300)); };
    const ProductShape shape{.rows = size(),
                             .columns = size(),
                             .inner = size(),
                             .a_transposed = rng.below(2) == 0,
                             .b_transposed = rng.below(2) == 0,
                             .accumulate = rng.below(2) == 0};
    INFO(shape.rows << " × " << shape.inner << " · " << shape.columns << ", transposed "
                    << shape.a_transposed << shape.b_transposed);
    check_product(shape, rng, [&](const ProductShape& s, const float* a, const float* b, float* c) {
      compute->product(s, a, b, c);
    });
    check_product(shape, rng, cpu::blocked_product);
  }
}

TEST_CASE("products of small integers are the same bits with a BLAS and without") {
  const auto compute = make_compute("cpu");
  Rng rng = RngStreams(6, 0).stream("test/integers");
  const auto integers = [&](std::size_t count) {
    std::vector<float> values(count);
    for (auto& value : values) value = static_cast<float>(rng.below(7)) - 3;
    return values;
  };
  const auto a = integers(70 * 600);
  const auto b = integers(600 * 50);
  std::vector<float> blas(70 * 50);
  std::vector<float> own(70 * 50);
  const ProductShape shape{.rows = 70, .columns = 50, .inner = 600};
  compute->product(shape, a.data(), b.data(), blas.data());
  cpu::blocked_product(shape, a.data(), b.data(), own.data());
  CHECK(blas == own);
}

TEST_CASE("a sum of no products is 0, or what was there") {
  const auto compute = make_compute("cpu");
  std::vector<float> c{1, 2, 3, 4};
  const float nothing = 0;
  compute->product({.rows = 2, .columns = 2, .inner = 0, .accumulate = true}, &nothing, &nothing,
                   c.data());
  CHECK(c == std::vector<float>{1, 2, 3, 4});
  compute->product({.rows = 2, .columns = 2, .inner = 0}, &nothing, &nothing, c.data());
  CHECK(c == std::vector<float>{0, 0, 0, 0});
}

TEST_CASE("folding keeps the rest mod 7, also of large integers of either sign") {
  CHECK(cpu::folded(3) == 3);
  CHECK(cpu::folded(4) == -3);
  CHECK(cpu::folded(-4) == 3);
  CHECK(cpu::folded(-7) == 0);
  Rng rng = RngStreams(4, 0).stream("test/fold");
  for (int i = 0; i < 1000; ++i) {
    const auto value = static_cast<std::int64_t>(rng.below(1 << 25)) - (1 << 24);
    const auto rest = static_cast<std::int64_t>(cpu::folded(static_cast<float>(value)));
    CHECK(std::abs(rest) <= 3);
    CHECK((value - rest) % 7 == 0);
  }
}

TEST_CASE("the gate takes the largest logits, ties to the lower id") {
  const std::vector<float> logits{1, 3, 3, 2, 5, 5, 5, 5};
  std::vector<int> ids(6);
  cpu::gate_choose({.tokens = 2, .experts = 4, .top_k = 3}, logits.data(), ids.data());
  CHECK(ids == std::vector<int>{1, 2, 3, 0, 1, 2});
}

TEST_CASE("Adam is the reference's") {
  Rng rng = RngStreams(5, 0).stream("test/adam");
  AdamState reference{random_values(rng, 50), random_values(rng, 50), random_values(rng, 50)};
  for (auto& value : reference.variance) value = std::abs(value);
  AdamState own = reference;
  for (int step = 1; step <= 3; ++step) {
    const auto gradient = random_values(rng, 50);
    reference_adam(reference, gradient, {.step = step});
    std::vector<float> doubled;
    for (const float g : gradient) doubled.push_back(2 * g);
    cpu::adam({own.master.data(), own.momentum.data(), own.variance.data(), doubled.data()}, 50,
              {.bias1 = static_cast<float>(1 / (1 - std::pow(0.9, step))),
               .bias2 = static_cast<float>(1 / (1 - std::pow(0.999, step))),
               .gradient_scale = 0.5F});
  }
  for (std::size_t i = 0; i < 50; ++i) {
    CHECK(own.master[i] == Approx(reference.master[i]).margin(1e-6));
    CHECK(own.variance[i] == Approx(reference.variance[i]).margin(1e-6));
  }
}

TEST_CASE("an unknown arithmetic is refused by name") {
  CHECK_THROWS_AS(make_compute("cpy"), InputError);
}

}  // namespace
}  // namespace bethany
