// What products round their operands to: made by hand, against double products, and in training.
#include "gpu/products_check.h"

#include <cmath>
#include <limits>

#include "gpu/cpu/rounding.h"
#include "gpu/validate/testbed.h"
#include "sim/base/error.h"
#include "tests/gpu/rank_crowd.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr float kInfinite = std::numeric_limits<float>::infinity();

struct Rounding {
  float value;
  float nearest;
};

void check_roundings(const std::vector<Rounding>& roundings, float (*round)(float)) {
  for (const auto& [value, nearest] : roundings) {
    INFO(value << " to " << nearest);
    CHECK(round(value) == nearest);
    CHECK(round(-value) == -nearest);
    CHECK(round(nearest) == nearest);
  }
  CHECK(round(kInfinite) == kInfinite);
  CHECK(std::signbit(round(-0.0F)));
  CHECK(std::isnan(round(std::numeric_limits<float>::quiet_NaN())));
  // A NaN whose fraction is in the last bit alone.
  CHECK(std::isnan(round(std::bit_cast<float>(0x7F800001U))));
}

TEST_CASE("bf16 keeps 7 bits of fraction: the nearest, ties to even, then infinity") {
  check_roundings({{0, 0},
                   {1, 1},
                   {0x1.01p0F, 1},              // a tie, down to even
                   {0x1.03p0F, 0x1.04p0F},      // a tie, up to even
                   {0x1.010002p0F, 0x1.02p0F},  // one bit above the tie
                   {0x1.00fffep0F, 1},          // one bit below
                   {0x1.ffp0F, 2},              // a tie that carries into the exponent
                   {0.1F, 0.10009765625F},
                   {65520, 65536},
                   {0x1p-133F, 0x1p-133F},      // the least
                   {0x1p-134F, 0},              // a tie
                   {0x1.8p-133F, 0x1p-132F},    // a tie
                   {0x1.fep127F, 0x1.fep127F},  // the largest
                   {0x1.fefffep127F, 0x1.fep127F},
                   {0x1.ffp127F, kInfinite}},
                  cpu::rounded_to_bf16);
}

TEST_CASE("TF32 keeps 10 bits of fraction: the nearest, ties to even, then infinity") {
  check_roundings({{1, 1},
                   {0x1.002p0F, 1},           // a tie
                   {0x1.006p0F, 0x1.008p0F},  // a tie
                   {0x1.002002p0F, 0x1.004p0F},
                   {0.1F, 0.0999755859375F},
                   {65520, 65536},
                   {0x1p-136F, 0x1p-136F},  // the least
                   {0x1p-137F, 0},
                   {0x1.ffcp127F, 0x1.ffcp127F},
                   {0x1.ffep127F, kInfinite}},
                  cpu::rounded_to_tf32);
}

TEST_CASE("fp16 keeps 10 bits of fraction and 5 of exponent: subnormal numbers, then infinity") {
  check_roundings({{1, 1},
                   {0x1.002p0F, 1},           // a tie
                   {0x1.006p0F, 0x1.008p0F},  // a tie
                   {0.1F, 0.0999755859375F},
                   {65504, 65504},  // the largest
                   {std::nextafter(65520.0F, 0.0F), 65504},
                   {65520, kInfinite},  // a tie, up to even
                   {1e6F, kInfinite},
                   {std::numeric_limits<float>::max(), kInfinite},
                   {0x1p-14F, 0x1p-14F},      // the least normal number
                   {0x1.fffp-15F, 0x1p-14F},  // nearer to it than to the largest subnormal one
                   {0x1.ff8p-15F, 0x1.ff8p-15F},
                   {0x1.ffap-15F, 0x1.ff8p-15F},
                   {0x1.7p-20F, 0x1.7p-20F},
                   {0x1.72p-20F, 0x1.7p-20F},
                   {0x1.78p-20F, 0x1.8p-20F},  // a tie
                   {0x1p-24F, 0x1p-24F},       // the least
                   {0x1.8p-24F, 0x1p-23F},     // a tie
                   {0x1.000002p-25F, 0x1p-24F},
                   {0x1p-25F, 0},  // a tie
                   {0x1p-149F, 0}},
                  cpu::rounded_to_fp16);
}

/// A product of two numbers.
float times(Products products, float a, float b) {
  float c = 0;
  make_compute("cpu", {.products = products})
      ->product({.rows = 1, .columns = 1, .inner = 1}, &a, &b, &c);
  return c;
}

TEST_CASE("the CPU's products round both operands, and nothing else") {
  const float close = 0x1.01p0F;
  CHECK(times(Products::fp32, close, 0x1.002p0F) == close * 0x1.002p0F);
  CHECK(times(Products::tf32, close, 0x1.002p0F) == close);
  CHECK(times(Products::fp16, close, 0x1.002p0F) == close);
  CHECK(times(Products::bf16, close, 0x1.002p0F) == 1);
  CHECK(times(Products::bf16, 0x1.002p0F, close) == 1);
  CHECK(times(Products::bf16, 0x1.02p0F, 0x1.02p0F) == 0x1.02p0F * 0x1.02p0F);
  CHECK(times(Products::tf32, 1, 65520) == 65536);
  CHECK(times(Products::fp16, 1, 65520) == kInfinite);
  CHECK(times(Products::fp16, 300, 300) == 90000);  // sums are floats
  CHECK(times(Products::fp16, 0x1p-25F, 1) == 0);
}

TEST_CASE("the CPU's products of every kind are double products of what their operands become") {
  const auto results = check_products("cpu", 3);
  CHECK(results.size() == 96);
  for (const auto& result : results) {
    INFO(result.what);
    CHECK(result.passed());
    CHECK(result.error < 1e-6);  // it takes the nearest number, where others may cut off
    CHECK(result.bound < 0.01);
  }
  CHECK(check_products("abacus", 3).empty());
}

TEST_CASE("kinds of products have names, and a nearest name is offered") {
  CHECK(products_names() == std::vector<std::string>{"fp32", "tf32", "bf16", "fp16"});
  for (const auto& name : products_names()) CHECK(name_of(products_named(name)) == name);
  CHECK_THROWS_WITH(products_named("bf17"), Catch::Contains("bf16"));
  CHECK(make_compute("cpu")->products() == Products::fp32);
}

constexpr StackShape kShape{.layers = 1,
                            .hidden = 16,
                            .ffn = 32,
                            .experts = 4,
                            .top_k = 2,
                            .heads = 2,
                            .sequence_length = 16};

/// What a stack learned in some steps.
struct Trained {
  double first = 0;
  double last = 0;
  std::vector<float> state;
};

Trained trained(Products products) {
  CrowdOptions options = alone(kShape);
  options.products = products;
  RankCrowd crowd(options);
  Trained result{.first = crowd.gradients(8)};
  for (int step = 0; step < 60; ++step) {
    crowd.update(8);
    result.last = crowd.gradients(8);
  }
  result.state = crowd.dense_state();
  return result;
}

TEST_CASE("training whose products round their operands lowers the loss, on weights in fp32") {
  const Trained plain = trained(Products::fp32);
  for (const auto products : {Products::tf32, Products::bf16, Products::fp16}) {
    INFO(name_of(products));
    const Trained rounded = trained(products);
    CHECK(rounded.last < 0.9 * rounded.first);
    CHECK(rounded.first == Approx(plain.first).epsilon(0.01));
    CHECK(rounded.last == Approx(plain.last).epsilon(0.05));
    CHECK(rounded.state != plain.state);
    const auto kept = std::count_if(rounded.state.begin(), rounded.state.end(), [&](float value) {
      return cpu::rounded(value, products) != value;
    });
    CHECK(kept > static_cast<std::ptrdiff_t>(rounded.state.size() / 2));
  }
}

TEST_CASE("exact arithmetic refuses products that round") {
  StackShape shape = kShape;
  shape.exact = true;
  for (const auto& name : products_names()) {
    const auto compute = make_compute("cpu", {.products = products_named(name)});
    if (name == "fp32") {
      CHECK(make_stack(shape, *compute) != nullptr);
    } else {
      CHECK_THROWS_WITH(make_stack(shape, *compute), Catch::Contains(name));
      CHECK_THROWS_AS(make_stack(shape, *compute), InputError);
    }
  }
}

TEST_CASE("a testbed says what its products round to, and refuses where nothing is computed") {
  const auto fact = [](const Testbed& testbed) {
    std::string found;
    for (const auto& [key, value] : testbed.facts()) {
      if (key == "products") found = value;
    }
    return found;
  };
  CHECK(fact(*make_testbed("cpu", {.products = "bf16"})) == "bf16");
  CHECK(fact(*make_testbed("cpu")) == "fp32");
  CHECK_THROWS_AS(make_testbed("cpu", {.products = "bf61"}), InputError);
  CHECK_THROWS_WITH(make_testbed("synthetic", {.products = "bf16"}), Catch::Contains("products"));
}

}  // namespace
}  // namespace bethany
