#pragma once

#include "gpu/point.h"

namespace bethany {

/// The formula the synthetic backend answers with: t = start + active experts · per_expert +
/// max(flop / flop_rate, bytes / bandwidth); between ranks network_start + messages · per_message +
/// bytes / network_bandwidth. Fits must find these numbers again.
struct SyntheticTruth {
  double start = 20e-6;             // s, of an operation
  double per_expert = 6e-6;         // s, of the variant "loop"
  double grouped_start = 60e-6;     // s, of the variant "grouped", which has no per-expert cost
  double flop_rate = 600e12;        // FLOP/s
  double bandwidth = 2.5e12;        // B/s
  double link_bandwidth = 50e9;     // B/s, host to device and back
  double kernel = 2e-6;             // s, of an empty kernel
  double network_start = 30e-6;     // s, of a group of messages
  double per_message = 4e-6;        // s
  double network_bandwidth = 25e9;  // B/s, of a rank's port
};

inline constexpr SyntheticTruth kSyntheticTruth;

/// What the formula says of a point, in seconds. Variant `best` is the fastest one.
double true_seconds(const Point& point);

}  // namespace bethany
