#pragma once

namespace bethany {

/// The formula the synthetic backend answers with: t = start + active experts · per_expert +
/// max(flop / flop_rate, bytes / bandwidth). Fits must find these numbers again.
struct SyntheticTruth {
  double start = 20e-6;          // s, of an operation
  double per_expert = 6e-6;      // s, of the variant "loop"
  double grouped_start = 60e-6;  // s, of the variant "grouped", which has no per-expert cost
  double flop_rate = 600e12;     // FLOP/s
  double bandwidth = 2.5e12;     // B/s
  double link_bandwidth = 50e9;  // B/s, host to device and back
  double kernel = 2e-6;          // s, of an empty kernel
};

inline constexpr SyntheticTruth kSyntheticTruth;

}  // namespace bethany
