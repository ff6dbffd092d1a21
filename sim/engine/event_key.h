#pragma once

#include <compare>
#include <cstdint>

#include "sim/base/time.h"

namespace bethany {

/// Phases of one instant are numbered 0..kPhases-1 and run in that order.
constexpr int kPhases = 4;

/// What orders events: time, then phase, then the order in which they were pushed. No two events of
/// one queue have equal keys, so the order is total.
struct EventKey {
  SimTime time{};
  std::uint8_t phase = 0;
  std::uint64_t sequence = 0;  // counts pushes from 0

  friend constexpr auto operator<=>(const EventKey&, const EventKey&) = default;
};

/// Names one pushed event, for cancelling it. It goes stale when the event is popped or cancelled,
/// and is recognised as stale for ever: sequence numbers are not used twice. A default-made handle
/// names nothing. It means something only to the queue that gave it.
struct EventHandle {
  std::uint32_t slot = 0;
  std::uint64_t sequence = ~std::uint64_t{0};

  friend constexpr bool operator==(const EventHandle&, const EventHandle&) = default;
};

}  // namespace bethany
