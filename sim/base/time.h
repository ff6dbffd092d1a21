#pragma once

#include <chrono>
#include <cstdint>

#include "sim/base/check.h"

namespace bethany {

/// A length of time: 64-bit nanoseconds, exact; 292 years fit.
using Duration = std::chrono::duration<std::int64_t, std::nano>;

/// The simulated clock. It has no now(): simulated time is passed in, never read.
struct SimClock {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<SimClock, Duration>;
  static constexpr bool is_steady = true;
};

/// An instant of a run or trace: nanoseconds since its start.
using SimTime = SimClock::time_point;

/// An instant no run reaches; stands for "never".
constexpr SimTime kNever = SimTime::max();

/// The longest time that files may name: 100 years, so that sums of two still fit.
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100);

constexpr SimTime at(Duration since_start) { return SimTime(since_start); }

constexpr double to_seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }
constexpr double to_seconds(SimTime t) { return to_seconds(t.time_since_epoch()); }

/// The nearest whole number of nanoseconds. Requires: finite, and at most kLongest in size.
inline Duration round_to_duration(double seconds) {
  BETHANY_CHECK(seconds > -3.2e9 && seconds < 3.2e9, "a duration of {} s", seconds);
  const double ns = seconds * 1e9;
  return Duration(static_cast<std::int64_t>(ns < 0 ? ns - 0.5 : ns + 0.5));
}

}  // namespace bethany
