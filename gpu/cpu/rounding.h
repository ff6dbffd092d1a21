#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "gpu/compute.h"

namespace bethany::cpu {

/// The value with `kDropped` bits of its fraction less: to the nearest, ties to even. What is
/// beyond the largest such number becomes infinite; NaN stays NaN.
template <int kDropped>
float shortened(float value) {
  constexpr std::uint32_t kUnit = 1U << kDropped;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return value;
  const std::uint32_t odd = (bits >> kDropped) & 1U;
  return std::bit_cast<float>((bits + kUnit / 2 - 1 + odd) & ~(kUnit - 1));
}

/// bf16: 8 bits of exponent as in a float, 7 of fraction.
inline float rounded_to_bf16(float value) { return shortened<16>(value); }
/// TF32: 8 bits of exponent, 10 of fraction.
inline float rounded_to_tf32(float value) { return shortened<13>(value); }
/// fp16: 5 bits of exponent, 10 of fraction: from 65,520 on infinite, below 2^-14 multiples of
/// 2^-24.
inline float rounded_to_fp16(float value) {
  constexpr float kLeastNormal = 0x1p-14F;
  constexpr float kLargest = 65504;
  if (std::abs(value) < kLeastNormal) return std::nearbyint(value * 0x1p24F) * 0x1p-24F;
  const float nearest = shortened<13>(value);
  return std::abs(nearest) > kLargest ? std::copysign(INFINITY, value) : nearest;
}

/// What an operand of a product becomes.
inline float rounded(float value, Products products) {
  switch (products) {
    case Products::fp32:
      return value;
    case Products::tf32:
      return rounded_to_tf32(value);
    case Products::bf16:
      return rounded_to_bf16(value);
    case Products::fp16:
      return rounded_to_fp16(value);
  }
  return value;
}

}  // namespace bethany::cpu
