#include "gpu/products_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpu/compute.h"
#include "gpu/reference.h"
#include "sim/base/error.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

std::size_t z(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Numbers of `bits` significant bits, down to an exponent; the values here are never beyond the
/// largest.
struct Format {
  int bits;
  int least_exponent;

  /// By how much, relatively, the nearest number is off at most.
  double unit_roundoff() const { return std::ldexp(1, -bits); }
  /// To the nearest, ties to even.
  double nearest(double value) const {
    if (value == 0) return 0;
    const int unit = std::max(std::ilogb(value), least_exponent) - (bits - 1);
    return std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
  }
};

Format format_of(Products products) {
  switch (products) {
    case Products::tf32:
      return {11, -126};
    case Products::bf16:
      return {8, -126};
    case Products::fp16:
      return {11, -14};
    default:
      return {24, -126};
  }
}

/// Rounding of sums in float.
constexpr double kSums = 1e-5;

/// A device may take the nearest number, cut bits off, or keep all. Operands cut off are off from
/// the nearest by 0.9 unit roundoffs in the root of the mean square, 0.7 of it all of one sign:
/// their products, in the norm, by √(1.4² + 0.9²) = 1.6; operands as they were by 0.4, their
/// products by 0.5. Eight times coarser numbers, bf16 for fp16, would be off by 4. An error near
/// 1e-7 says that the device takes the nearest.
double bound_of(const Format& format) { return kSums + 2.5 * format.unit_roundoff(); }

class ProductsCheck {
 public:
  ProductsCheck(Compute& compute, std::uint64_t seed)
      : compute_(compute),
        format_(format_of(compute.products())),
        rng_(RngStreams(seed, 0).stream("gpu/products_check")) {}

  std::vector<CheckResult> run() {
    struct Size {
      std::int64_t rows, columns, inner, gap;
    };
    for (const auto& size : {Size{64, 48, 32, 0}, Size{33, 65, 129, 5}, Size{256, 192, 320, 0}}) {
      for (int kind = 0; kind < 8; ++kind) {
        check({.rows = size.rows,
               .columns = size.columns,
               .inner = size.inner,
               .a_transposed = (kind & 1) != 0,
               .b_transposed = (kind & 2) != 0,
               .accumulate = (kind & 4) != 0},
              size.gap);
      }
    }
    return std::move(results_);
  }

 private:
  std::vector<float> normals(std::int64_t count) {
    std::vector<float> values(z(count));
    for (auto& value : values) value = static_cast<float>(rng_.normal());
    return values;
  }

  void check(ProductShape shape, std::int64_t gap) {
    const std::int64_t a_width = shape.a_transposed ? shape.rows : shape.inner;
    const std::int64_t b_width = shape.b_transposed ? shape.inner : shape.columns;
    shape.a_stride = a_width + gap;
    shape.b_stride = b_width + gap;
    const auto a = normals((shape.a_transposed ? shape.inner : shape.rows) * shape.a_stride);
    const auto b = normals((shape.b_transposed ? shape.columns : shape.inner) * shape.b_stride);
    const auto c = normals(shape.rows * shape.columns);
    const auto what =
        fmt::format("product, operands in {}, {} × {} × {}{}{}{}{}", name_of(compute_.products()),
                    shape.rows, shape.columns, shape.inner, shape.a_transposed ? ", aᵀ" : "",
                    shape.b_transposed ? ", bᵀ" : "", shape.accumulate ? ", added" : "",
                    gap > 0 ? ", with gaps" : "");
    try {
      const double error = relative_error(computed(shape, a, b, c), expected(shape, a, b, c));
      results_.push_back({what, error, bound_of(format_)});
    } catch (const MachineError& failure) {
      results_.push_back(
          {what + ": " + failure.what(), std::numeric_limits<double>::infinity(), 0});
    }
  }

  std::vector<double> computed(const ProductShape& shape, const std::vector<float>& a,
                               const std::vector<float>& b, std::vector<float> c) {
    DeviceArray<float> left(compute_);
    DeviceArray<float> right(compute_);
    DeviceArray<float> out(compute_);
    compute_.product(shape, left.upload(a), right.upload(b), out.upload(c));
    compute_.download(c.data(), out.data(), c.size() * sizeof(float));
    return {c.begin(), c.end()};
  }

  std::vector<double> expected(const ProductShape& shape, const std::vector<float>& a,
                               const std::vector<float>& b, const std::vector<float>& c) const {
    const auto rounded = [this](const std::vector<float>& values) {
      std::vector<double> result;
      for (const float value : values) result.push_back(format_.nearest(value));
      return result;
    };
    const auto left = rounded(a);
    const auto right = rounded(b);
    std::vector<double> sums;
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      for (std::int64_t j = 0; j < shape.columns; ++j) {
        double sum = shape.accumulate ? c[z(i * shape.columns + j)] : 0;
        for (std::int64_t k = 0; k < shape.inner; ++k) {
          sum += left[z(shape.a_transposed ? k * shape.a_stride + i : i * shape.a_stride + k)] *
                 right[z(shape.b_transposed ? j * shape.b_stride + k : k * shape.b_stride + j)];
        }
        sums.push_back(sum);
      }
    }
    return sums;
  }

  Compute& compute_;
  Format format_;
  Rng rng_;
  std::vector<CheckResult> results_;
};

}  // namespace

std::vector<CheckResult> check_products(const std::string& name, std::uint64_t seed) {
  if (computes().find(name) == nullptr) return {};
  std::vector<CheckResult> results;
  for (const auto& products : products_names()) {
    const auto compute = make_compute(name, {.products = products_named(products)});
    const auto checked = ProductsCheck(*compute, seed).run();
    results.insert(results.end(), checked.begin(), checked.end());
  }
  return results;
}

}  // namespace bethany
