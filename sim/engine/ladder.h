#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/engine/event_key.h"

namespace bethany {

/// One pending event as the queue moves it about: the key and where the payload lies.
struct LadderEntry {
  std::uint64_t time;   // nanoseconds, offset so that unsigned order is the order of time
  std::uint64_t order;  // phase in the top two bits, sequence number below
  std::uint32_t slot;
};

/// As one 128-bit number, which is compared without a branch: in a sort the outcome is a coin toss.
inline bool before(const LadderEntry& a, const LadderEntry& b) {
  __extension__ using Key = unsigned __int128;
  return ((Key{a.time} << 64) | a.order) < ((Key{b.time} << 64) | b.order);
}

/// The order of pending events, without their payloads: a ladder queue. It hands out slots, small
/// numbers that are used again, under which the caller keeps what belongs to an event.
///
/// Three parts, from the earliest events to the latest. The *bottom* holds what is due next,
/// sorted. The *rungs* hold events in buckets of equal width, unsorted; a rung below refines one
/// bucket of the rung above. The *top* holds the far future as it came. Events fall from top to
/// rungs to bottom as time goes on, each a few times, and only a handful are ever sorted together.
class Ladder {
 public:
  Ladder() = default;
  Ladder(const Ladder&) = delete;
  Ladder& operator=(const Ladder&) = delete;

  /// Adds an event and returns its slot. Requires: phase < kPhases, sequence numbers below 2^61 and
  /// not used before.
  std::uint32_t push(SimTime time, std::uint8_t phase, std::uint64_t sequence) {
    const std::uint32_t slot = take_slot();
    const std::uint64_t biased =
        static_cast<std::uint64_t>(time.time_since_epoch().count()) ^ kSignBit;
    const std::uint64_t order = (std::uint64_t{phase} << kPhaseShift) | sequence;
    orders_[slot] = order;
    ++size_;
    if (biased <= bottom_last_) {
      insert_bottom(biased, order, slot);
    } else {
      insert_above(biased, order, slot);
    }
    return slot;
  }

  /// The first event. Requires: not empty.
  const LadderEntry& front() const {
    return late_.empty() || run_is_first() ? *first_ : late_.front();
  }
  static EventKey key(const LadderEntry& entry) {
    return {SimTime(Duration(static_cast<std::int64_t>(entry.time ^ kSignBit))),
            static_cast<std::uint8_t>(entry.order >> kPhaseShift), entry.order & kSequenceMask};
  }

  /// Removes the first event; its slot is free afterwards. Requires: not empty.
  void pop() {
    if (late_.empty() || run_is_first()) {
      free_slot(first_->slot);
      ++first_;
    } else {
      pop_late();
    }
    --size_;
    if (first_ == end_ || dead_ > 0) settle();
  }

  /// Whether `slot` still holds the event with that sequence number.
  bool holds(std::uint32_t slot, std::uint64_t sequence) const {
    return slot < orders_.size() && (orders_[slot] & ~kPhaseMask) == sequence &&
           (sequence & kNotLive) == 0;
  }
  /// Takes an event out. Requires: holds(slot, its sequence). The slot is handed out again only
  /// when its entry has been met and dropped.
  void cancel(std::uint32_t slot);

  std::size_t size() const { return size_; }

  /// The slot of an event that is due soon, worth fetching into the cache. Requires: not empty.
  std::uint32_t slot_due_soon() const {
    constexpr std::ptrdiff_t kAhead = 4;
    return end_ - first_ > kAhead ? first_[kAhead].slot : front().slot;
  }

 private:
  static constexpr int kPhaseShift = 62;
  static constexpr std::uint64_t kPhaseMask = std::uint64_t{3} << kPhaseShift;
  static constexpr std::uint64_t kNotLive = std::uint64_t{1} << 61;
  static constexpr std::uint64_t kSequenceMask = kNotLive - 1;
  static constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kLatest = ~std::uint64_t{0};
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  static constexpr std::size_t kInsert = 20;  // up to here the bottom takes insertions in place
  static constexpr std::size_t kLate = 6;     // so many later ones, and the bottom becomes a rung
  static constexpr std::size_t kSplit = 32;   // a larger bucket gets a rung of its own
  static constexpr std::size_t kRungs = 8;    // deeper than this a bucket is sorted as a whole

  /// Entries of one bucket, in the order of pushing; all chunks of a bucket but the newest are
  /// full.
  struct Chunk {
    static constexpr std::uint32_t kEntries = 10;
    std::array<LadderEntry, kEntries> entries;
    std::uint32_t older;
  };

  struct Bucket {
    std::uint32_t newest = kNone;  // chunk
    std::uint32_t count = 0;       // entries
  };

  /// Buckets of 2^shift ns; the last one also takes what is later, up to `last`.
  struct Rung {
    std::vector<Bucket> buckets;  // empty ones beyond `count`, kept for later use
    std::uint64_t start = 0;
    std::uint64_t last = 0;
    int shift = 0;
    std::uint32_t count = 0;
    std::uint32_t next = 0;  // the first bucket not yet emptied into the bottom

    std::uint64_t last_of(std::uint32_t bucket) const {
      return bucket + 1 == count ? last : start + ((std::uint64_t{bucket} + 1) << shift) - 1;
    }
  };

  /// Entries lie in start..end; up to `last` more may be pushed.
  struct Span {
    std::uint64_t start;
    std::uint64_t end;
    std::uint64_t last;
  };

  /// How to cut a span into buckets.
  struct Cut {
    int shift;
    std::uint32_t count;
  };

  bool run_is_first() const { return first_ != end_ && before(*first_, late_.front()); }

  std::uint32_t take_slot() {
    if (free_slot_ == kNone) return new_slot();
    const std::uint32_t slot = free_slot_;
    free_slot_ = static_cast<std::uint32_t>(orders_[slot]);
    return slot;
  }
  void free_slot(std::uint32_t slot) {
    orders_[slot] = kNotLive | free_slot_;
    free_slot_ = slot;
  }
  bool is_dead(const LadderEntry& entry) const { return (orders_[entry.slot] & kNotLive) != 0; }

  void insert_above(std::uint64_t time, std::uint64_t order, std::uint32_t slot) {
    for (std::size_t depth = depth_; depth > 0; --depth) {
      Rung& rung = rungs_[depth - 1];
      if (time <= rung.last) {
        put(rung, time, order, slot);
        return;
      }
    }
    top_.push_back({time, order, slot});
  }
  void put(Rung& rung, std::uint64_t time, std::uint64_t order, std::uint32_t slot) {
    const std::uint64_t index = (time - rung.start) >> rung.shift;
    Bucket& bucket = rung.buckets[index < rung.count ? index : rung.count - 1];
    const std::uint32_t place = bucket.count++ % Chunk::kEntries;
    if (place == 0) bucket.newest = take_chunk(bucket.newest);
    LadderEntry& entry = chunks_[bucket.newest].entries[place];
    entry.time = time;
    entry.order = order;
    entry.slot = slot;
  }
  std::uint32_t take_chunk(std::uint32_t older) {
    if (free_chunk_ == kNone) return new_chunk(older);
    const std::uint32_t chunk = free_chunk_;
    free_chunk_ = chunks_[chunk].older;
    chunks_[chunk].older = older;
    return chunk;
  }

  std::uint32_t new_slot();
  std::uint32_t new_chunk(std::uint32_t older);
  void insert_bottom(std::uint64_t time, std::uint64_t order, std::uint32_t slot);
  void push_late(const LadderEntry& entry);
  void pop_late();
  void make_room(std::size_t count);
  void spill();
  void drop_dead_front();
  void settle();
  void refill();
  void open_top();
  void take_bucket();
  LadderEntry* unload(Bucket& bucket);
  void append_sorted(LadderEntry* entries, std::size_t count);
  std::size_t sweep_dead(LadderEntry* entries, std::size_t count);
  void gather_all();
  Rung& new_rung(std::uint64_t start, Cut cut);
  void spread(const LadderEntry* entries, std::size_t count, std::uint64_t last);
  static Cut choose_cut(const LadderEntry* entries, std::size_t count, Span span);

  // The bottom: the run is sorted; `late_` is a heap of what could not be sorted in cheaply. Every
  // event at or before `bottom_last_` is here, and no other.
  std::vector<LadderEntry> run_;  // the room the run lies in
  LadderEntry* first_ = nullptr;
  LadderEntry* end_ = nullptr;
  std::vector<LadderEntry> late_;
  std::size_t late_limit_ = kLate;
  std::uint64_t bottom_last_ = kLatest;

  std::array<Rung, kRungs> rungs_;
  std::size_t depth_ = 0;  // rungs in use; the last refines a bucket of the one before
  std::vector<LadderEntry> top_;

  std::vector<std::uint64_t> orders_;  // by slot: of the live event, else kNotLive and a free slot
  std::uint32_t free_slot_ = kNone;
  std::vector<Chunk> chunks_;
  std::uint32_t free_chunk_ = kNone;
  std::size_t size_ = 0;
  std::size_t dead_ = 0;  // cancelled, entry not yet dropped
  std::vector<LadderEntry> scratch_;
};

}  // namespace bethany
