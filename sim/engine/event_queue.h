#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/engine/ladder.h"
#include "sim/engine/preconditions.h"

namespace bethany {

/// Pending events in the order of their keys. Push, pop and cancel take constant time on average,
/// whatever the distribution of times; nothing is allocated once the queue has been as long as it
/// gets. Payloads stay where they were put until popped; only 24-byte entries are moved about.
template <class Payload>
class EventQueue {
  static_assert(std::is_nothrow_move_constructible_v<Payload>,
                "the slab of payloads grows by moving them");

 public:
  /// An event that was taken out.
  struct Event {
    EventKey key;
    Payload payload;
  };

  /// Adds an event. Any time may be pushed, also one earlier than what was popped before.
  /// Requires: 0 <= phase < kPhases.
  /// `payload` is anything a Payload can be made from; it is made in place.
  template <class Source>
  EventHandle push(SimTime time, int phase, Source&& payload) {
    if (phase < 0 || phase >= kPhases) fail_phase(phase);
    const std::uint64_t sequence = next_sequence_++;
    const std::uint32_t slot = ladder_.push(time, static_cast<std::uint8_t>(phase), sequence);
    if (slot == payloads_.size()) {
      payloads_.emplace_back(std::in_place, std::forward<Source>(payload));
    } else {
      payloads_[slot].emplace(std::forward<Source>(payload));
    }
    return {slot, sequence};
  }

  /// Takes the event out and destroys its payload. Returns false, and does nothing, when the handle
  /// is stale: its event was popped or cancelled.
  bool cancel(EventHandle handle) {
    if (!ladder_.holds(handle.slot, handle.sequence)) return false;
    payloads_[handle.slot].reset();
    ladder_.cancel(handle.slot);
    return true;
  }

  /// Whether the event is still pending.
  bool contains(EventHandle handle) const { return ladder_.holds(handle.slot, handle.sequence); }

  /// The key of the event that pop() would return. Requires: not empty.
  EventKey peek() const {
    if (empty()) fail_empty_queue("peek");
    return Ladder::key(ladder_.front());
  }

  /// Removes the first event and returns it. Requires: not empty.
  Event pop() {
    if (empty()) fail_empty_queue("pop");
    __builtin_prefetch(&payloads_[ladder_.slot_due_soon()]);
    const LadderEntry& first = ladder_.front();
    std::optional<Payload>& payload = payloads_[first.slot];
    Event event{Ladder::key(first), std::move(*payload)};
    payload.reset();
    ladder_.pop();
    return event;
  }

  std::size_t size() const { return ladder_.size(); }
  bool empty() const { return ladder_.size() == 0; }

 private:
  Ladder ladder_;
  std::vector<std::optional<Payload>> payloads_;  // by slot
  std::uint64_t next_sequence_ = 0;
};

}  // namespace bethany
