#include "sim/engine/ladder.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::size_t kArity = 4;  // of the heap: half the levels of a binary one, same cache lines

void sift_up(std::vector<LadderEntry>& heap, std::size_t hole, const LadderEntry& entry) {
  while (hole > 0) {
    const std::size_t parent = (hole - 1) / kArity;
    if (!before(entry, heap[parent])) break;
    heap[hole] = heap[parent];
    hole = parent;
  }
  heap[hole] = entry;
}

void sift_down(std::vector<LadderEntry>& heap, std::size_t hole, const LadderEntry& entry) {
  const std::size_t size = heap.size();
  for (;;) {
    const std::size_t first = hole * kArity + 1;
    if (first >= size) break;
    const std::size_t end = std::min(first + kArity, size);
    std::size_t least = first;
    for (std::size_t child = first + 1; child < end; ++child) {
      least = before(heap[child], heap[least]) ? child : least;
    }
    if (!before(heap[least], entry)) break;
    heap[hole] = heap[least];
    hole = least;
  }
  heap[hole] = entry;
}

/// Sorts by counting, for each entry, how many come before it: for a dozen entries the comparisons
/// that are not needed cost less than the branches that would save them.
void rank_sort(const LadderEntry* entries, std::size_t count, LadderEntry* out) {
  constexpr std::size_t kMost = 16;
  std::array<std::uint32_t, kMost> rank{};
  for (std::size_t i = 1; i < count; ++i) {
    std::uint32_t below = 0;
    for (std::size_t j = 0; j < i; ++j) {
      const std::uint32_t first = before(entries[j], entries[i]) ? 1 : 0;
      below += first;
      rank[j] += 1 - first;
    }
    rank[i] = below;
  }
  for (std::size_t i = 0; i < count; ++i) out[rank[i]] = entries[i];
}

/// Copies entries phase by phase, within a phase as they were.
void group_by_phase(const LadderEntry* entries, std::size_t count, LadderEntry* out) {
  constexpr int kShift = 62;
  std::array<LadderEntry*, kPhases> next{};
  std::array<std::size_t, kPhases> sizes{};
  for (std::size_t i = 0; i < count; ++i) ++sizes[entries[i].order >> kShift];
  for (std::size_t phase = 0; phase < kPhases; ++phase) {
    next[phase] = out;
    out += sizes[phase];
  }
  for (std::size_t i = 0; i < count; ++i) *next[entries[i].order >> kShift]++ = entries[i];
}

std::pair<std::uint64_t, std::uint64_t> span_of(const LadderEntry* entries, std::size_t count) {
  std::uint64_t start = entries[0].time;
  std::uint64_t end = entries[0].time;
  for (std::size_t i = 1; i < count; ++i) {
    start = std::min(start, entries[i].time);
    end = std::max(end, entries[i].time);
  }
  return {start, end};
}

int log2_rounded_up(std::uint64_t value) {
  return value <= 1 ? 0 : static_cast<int>(std::bit_width(value - 1));
}

}  // namespace

std::uint32_t Ladder::new_slot() {
  constexpr std::size_t kMostSlots = std::size_t{1} << 30;
  BETHANY_CHECK(orders_.size() < kMostSlots, "{} pending events", orders_.size());
  orders_.push_back(kNotLive);
  return static_cast<std::uint32_t>(orders_.size() - 1);
}

std::uint32_t Ladder::new_chunk(std::uint32_t older) {
  chunks_.push_back({});
  chunks_.back().older = older;
  return static_cast<std::uint32_t>(chunks_.size() - 1);
}

void Ladder::cancel(std::uint32_t slot) {
  orders_[slot] = kNotLive;
  --size_;
  ++dead_;
  if (dead_ > size_ + kSplit) gather_all();
  settle();
}

// ---- the bottom

void Ladder::insert_bottom(std::uint64_t time, std::uint64_t order, std::uint32_t slot) {
  const LadderEntry entry{time, order, slot};
  const bool append = first_ == end_ || before(end_[-1], entry);
  if (!append && end_ - first_ > static_cast<std::ptrdiff_t>(kInsert)) {
    push_late(entry);
    return;
  }
  if (end_ == run_.data() + run_.size()) make_room(1);
  LadderEntry* hole = end_++;
  for (; hole != first_ && before(entry, hole[-1]); --hole) *hole = hole[-1];
  hole->time = time;
  hole->order = order;
  hole->slot = slot;
}

/// Makes room for that many entries behind the run. The room left by popped entries is used before
/// memory is, so that an endless run stays small.
void Ladder::make_room(std::size_t count) {
  const auto used = static_cast<std::size_t>(end_ - first_);
  if (run_.size() < 2 * (used + count)) {
    constexpr std::size_t kLeast = 64;
    std::vector<LadderEntry> larger(std::max(kLeast, 4 * (used + count)));
    std::copy(first_, end_, larger.data());
    run_.swap(larger);
  } else {
    std::copy(first_, end_, run_.data());
  }
  first_ = run_.data();
  end_ = first_ + used;
}

void Ladder::push_late(const LadderEntry& entry) {
  late_.push_back(entry);
  sift_up(late_, late_.size() - 1, entry);
  // Moving the run as well is paid for by the late events: at least one for every eight moved.
  if (late_.size() > late_limit_ && 8 * late_.size() > static_cast<std::size_t>(end_ - first_)) {
    spill();
  }
}

void Ladder::pop_late() {
  free_slot(late_.front().slot);
  const LadderEntry entry = late_.back();
  late_.pop_back();
  if (!late_.empty()) sift_down(late_, 0, entry);
}

/// A bottom that has grown too large becomes a rung, or the top when nothing else is pending.
void Ladder::spill() {
  scratch_.assign(first_, end_);
  scratch_.insert(scratch_.end(), late_.begin(), late_.end());
  const auto [start, end] = span_of(scratch_.data(), scratch_.size());
  if ((start == end && bottom_last_ == end) || depth_ == kRungs) {
    late_limit_ = 2 * late_.size();  // one instant, nothing to tell apart: stay a heap
    return;
  }
  first_ = end_ = run_.data();
  late_.clear();
  if (depth_ == 0 && top_.empty()) {
    top_.swap(scratch_);
  } else {
    spread(scratch_.data(), scratch_.size(), bottom_last_);
  }
  settle();
}

void Ladder::drop_dead_front() {
  while (dead_ > 0) {
    if (late_.empty() || run_is_first()) {
      if (first_ == end_ || !is_dead(*first_)) return;
      free_slot(first_->slot);
      ++first_;
    } else {
      if (!is_dead(late_.front())) return;
      pop_late();
    }
    --dead_;
  }
}

/// Restores what push, pop and cancel rely on: the first entry of the bottom is a live event, if
/// there is any.
void Ladder::settle() {
  for (;;) {
    drop_dead_front();
    if (first_ != end_ || !late_.empty()) return;
    refill();
    if (first_ == end_) return;
  }
}

// ---- from top and rungs to the bottom

void Ladder::refill() {
  first_ = end_ = run_.data();
  late_limit_ = kLate;
  while (first_ == end_) {
    if (depth_ > 0) {
      take_bucket();
    } else if (!top_.empty()) {
      open_top();
    } else {
      bottom_last_ = kLatest;
      return;
    }
  }
}

void Ladder::open_top() {
  top_.resize(sweep_dead(top_.data(), top_.size()));
  if (top_.size() <= kInsert) {
    bottom_last_ = kLatest;
    append_sorted(top_.data(), top_.size());
    top_.clear();
    return;
  }
  const auto [start, end] = span_of(top_.data(), top_.size());
  if (start == end) {
    bottom_last_ = end;
    append_sorted(top_.data(), top_.size());
    top_.clear();
    return;
  }
  const Cut cut = choose_cut(top_.data(), top_.size(), {start, end, kLatest});
  Rung& rung = new_rung(start, cut);
  // The last bucket is an ordinary one here: what is later stays in the top.
  const std::uint64_t last_start = start + (std::uint64_t{cut.count - 1} << cut.shift);
  const std::uint64_t width_less_one = (std::uint64_t{1} << cut.shift) - 1;
  rung.last = kLatest - last_start < width_less_one ? kLatest : last_start + width_less_one;
  std::size_t kept = 0;
  for (const LadderEntry& entry : top_) {
    if (entry.time <= rung.last) {
      put(rung, entry.time, entry.order, entry.slot);
    } else {
      top_[kept++] = entry;
    }
  }
  top_.resize(kept);
}

Ladder::Rung& Ladder::new_rung(std::uint64_t start, Cut cut) {
  Rung& rung = rungs_[depth_++];
  rung.start = start;
  rung.shift = cut.shift;
  rung.count = cut.count;
  rung.next = 0;
  if (rung.buckets.size() < rung.count) rung.buckets.resize(rung.count);
  return rung;
}

/// Makes a rung of entries at or before `last`, below all others.
void Ladder::spread(const LadderEntry* entries, std::size_t count, std::uint64_t last) {
  const auto [start, end] = span_of(entries, count);
  constexpr Cut kOneInstant{0, 2};  // that instant, and what may be pushed for later ones
  Rung& rung =
      new_rung(start, start == end ? kOneInstant : choose_cut(entries, count, {start, end, last}));
  rung.last = last;
  for (std::size_t i = 0; i < count; ++i) {
    put(rung, entries[i].time, entries[i].order, entries[i].slot);
  }
}

/// The width of buckets for these entries, and how many. Aims at a handful of entries a bucket in
/// the nearer half of the entries, and at sixteen times the span of that half: a far tail neither
/// makes the buckets wide nor the rung long, and what is pushed later mostly finds its bucket.
Ladder::Cut Ladder::choose_cut(const LadderEntry* entries, std::size_t count, Span span) {
  constexpr std::uint64_t kInBucket = 4;
  constexpr std::uint64_t kReaches = 16;
  constexpr std::size_t kSamples = 15;
  std::array<std::uint64_t, kSamples> sample{};
  const std::size_t stride = count / kSamples;
  for (std::size_t i = 0; i < kSamples; ++i) sample[i] = entries[i * stride].time;
  std::nth_element(sample.begin(), sample.begin() + kSamples / 2, sample.end());
  const std::uint64_t reach = sample[kSamples / 2] - span.start;

  if (reach > 0) {
    const int shift = log2_rounded_up(reach / (count / 2) * kInBucket + 1);
    const std::uint64_t room = span.last - span.start;
    const std::uint64_t covered = reach > room / kReaches ? room : kReaches * reach;
    const std::uint64_t buckets = (covered >> shift) + 1;
    const std::uint64_t last = span.start + ((buckets - 1) << shift);
    std::size_t inside = 0;
    for (std::size_t i = 0; i < count; ++i) inside += entries[i].time <= last ? 1U : 0U;
    if (buckets > 1 && inside >= count / 4) return {shift, static_cast<std::uint32_t>(buckets)};
  }
  // The sample misled, or most entries share the first instant: cut the whole span evenly.
  const std::uint64_t length = span.end - span.start;
  const int shift = log2_rounded_up(length / count + 1);
  return {shift, static_cast<std::uint32_t>(length >> shift) + 1};
}

/// Moves the next bucket of the lowest rung to the bottom, or makes a rung of it when it is large.
/// Requires: the bottom is empty.
void Ladder::take_bucket() {
  Rung& rung = rungs_[depth_ - 1];
  while (rung.next < rung.count && rung.buckets[rung.next].count == 0) ++rung.next;
  if (rung.next == rung.count) {
    bottom_last_ = rung.last;
    --depth_;
    return;
  }
  Bucket& bucket = rung.buckets[rung.next];
  const std::uint64_t last = rung.last_of(rung.next);
  ++rung.next;
  if (rung.next == rung.count) --depth_;  // done: a rung below may take its place
  std::size_t count = bucket.count;
  LadderEntry* const entries = unload(bucket);
  count = sweep_dead(entries, count);
  if (count > kSplit && depth_ < kRungs) {
    const auto [start, end] = span_of(entries, count);
    if (start != end) {
      spread(entries, count, last);
      return;
    }
  }
  bottom_last_ = last;
  append_sorted(entries, count);
}

/// The entries of a bucket in the order of pushing; they stay where they are until the next push.
LadderEntry* Ladder::unload(Bucket& bucket) {
  const std::uint32_t count = bucket.count;
  std::uint32_t chunk = bucket.newest;
  bucket = {};
  if (count <= Chunk::kEntries) {
    chunks_[chunk].older = free_chunk_;
    free_chunk_ = chunk;
    return chunks_[chunk].entries.data();
  }
  if (scratch_.size() < count) scratch_.resize(count);
  std::uint32_t left = count;
  while (left > 0) {
    const std::uint32_t here = (left - 1) % Chunk::kEntries + 1;
    left -= here;
    Chunk& from = chunks_[chunk];
    std::copy_n(from.entries.data(), here, scratch_.data() + left);
    const std::uint32_t older = from.older;
    from.older = free_chunk_;
    free_chunk_ = chunk;
    chunk = older;
  }
  return scratch_.data();
}

/// Puts entries into the empty run, sorted. They may be sorted where they are.
void Ladder::append_sorted(LadderEntry* entries, std::size_t count) {
  constexpr std::size_t kFew = 16;
  if (run_.size() < count) make_room(count);
  first_ = run_.data();
  end_ = first_ + count;
  if (count <= kFew) {
    rank_sort(entries, count, first_);
    return;
  }
  // Masses of events at one instant lie in the order of pushing already, but for their phases.
  group_by_phase(entries, count, first_);
  if (!std::is_sorted(first_, end_, before)) std::sort(first_, end_, before);
}

// ---- cancelled events

/// Drops the entries of cancelled events and returns how many are left.
std::size_t Ladder::sweep_dead(LadderEntry* entries, std::size_t count) {
  if (dead_ == 0) return count;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_dead(entries[i])) {
      free_slot(entries[i].slot);
      --dead_;
    } else {
      entries[kept++] = entries[i];
    }
  }
  return kept;
}

/// Puts every live event into the top and drops the cancelled ones, wherever they are.
void Ladder::gather_all() {
  top_.insert(top_.end(), first_, end_);
  top_.insert(top_.end(), late_.begin(), late_.end());
  for (; depth_ > 0; --depth_) {
    Rung& rung = rungs_[depth_ - 1];
    for (; rung.next < rung.count; ++rung.next) {
      Bucket& bucket = rung.buckets[rung.next];
      const std::size_t count = bucket.count;
      if (count == 0) continue;
      const LadderEntry* const entries = unload(bucket);
      top_.insert(top_.end(), entries, entries + count);
    }
  }
  top_.resize(sweep_dead(top_.data(), top_.size()));
  first_ = end_ = run_.data();
  late_.clear();
}

}  // namespace bethany
