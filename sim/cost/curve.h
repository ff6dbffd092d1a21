#pragma once

#include <algorithm>

namespace bethany {

/// What an operation does, as far as its time depends on it.
struct Work {
  double count = 0;  // what `per_count` multiplies: active experts, peers, kernels; may be 0
  double bytes = 0;
  double flop = 0;
};

/// t = start + per_count · count + max(bytes / bandwidth, flop / flop_rate), or with the sum of the
/// two instead of their maximum.
struct Curve {
  double start = 0;      // s
  double per_count = 0;  // s
  double bandwidth = 0;  // B/s; 0: the term is absent
  double flop_rate = 0;  // FLOP/s; 0: the term is absent
  bool sum = false;

  double seconds(const Work& work) const {
    const double moving = bandwidth > 0 ? work.bytes / bandwidth : 0;
    const double working = flop_rate > 0 ? work.flop / flop_rate : 0;
    return start + per_count * work.count + (sum ? moving + working : std::max(moving, working));
  }
};

/// The two forms, as a profile's `model` says them.
inline constexpr char kCurveOfMaximum[] =
    "start + per_count*count + max(bytes/bandwidth, flop/flop_rate)";
inline constexpr char kCurveOfSum[] = "start + per_count*count + bytes/bandwidth + flop/flop_rate";

}  // namespace bethany
