#include "sim/placement/greedy_counts.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"

namespace bethany {
namespace {

/// Whether a is served before b. Two quotients a/c and b/d differ relatively by at least 1/(a·d),
/// so below 2^52 their nearest doubles differ too.
template <class Key>
bool first(const Key& a, const Key& b) {
  if constexpr (requires { a.value; }) {
    if (a.value != b.value) return a.value > b.value;
  } else {
    const Int128 left = static_cast<Int128>(a.load) * b.count;
    const Int128 right = static_cast<Int128>(b.load) * a.count;
    if (left != right) return left > right;
  }
  return a.expert < b.expert;
}

template <class Key>
Key key_of(std::int64_t load, std::int32_t count, std::int32_t expert) {
  if constexpr (requires(Key key) { key.value; }) {
    return {static_cast<double>(load) / count, expert};
  } else {
    return {load, count, expert};
  }
}

/// Moves heap[at] down to its place; the first to be served is at 0.
template <class Key>
void sift_down(std::vector<Key>& heap, std::size_t at) {
  const Key moved = heap[at];
  for (std::size_t child = 2 * at + 1; child < heap.size(); child = 2 * at + 1) {
    if (child + 1 < heap.size()) {
      child += static_cast<std::size_t>(first(heap[child + 1], heap[child]));
    }
    if (!first(heap[child], moved)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

/// Gives the slots that `counts` leaves of `slots`, see GreedyCounts::run(). Wide: a type that
/// holds load · slots. `able`: scratch.
template <class Wide, class Key>
void hand_out(std::span<const std::int64_t> loads, std::int64_t slots, std::int64_t minimum,
              Wide total, std::vector<std::int32_t>& able, std::vector<Key>& heap,
              std::span<std::int32_t> counts) {
  const auto extra = slots - minimum * static_cast<std::int64_t>(loads.size());
  // An expert of less than `minimum` times the mean load per slot gets no extra slot: more than
  // `extra` quotients are at least the mean. So again for the slots and loads of those that remain.
  able.resize(loads.size());
  std::iota(able.begin(), able.end(), 0);
  for (int round = 0; round < 3; ++round) {
    const auto mean_slots =
        static_cast<Wide>(extra + minimum * static_cast<std::int64_t>(able.size()));
    const auto least = static_cast<std::int64_t>((total * minimum + mean_slots - 1) / mean_slots);
    std::size_t kept = 0;
    total = 0;
    for (const std::int32_t e : able) {
      const std::int64_t load = loads[static_cast<std::size_t>(e)];
      const bool stays = load >= least;
      able[kept] = e;
      kept += static_cast<std::size_t>(stays);
      total += stays ? load : 0;
    }
    able.resize(kept);
  }
  // Those with load / j >= total / extra are at most `extra`, so all of them are given; and for any
  // smaller bound that at most `extra` reach. A share is cut by half a quotient on average.
  const auto remaining = static_cast<Wide>(able.size());
  const auto sure = [&](std::size_t e, Wide shares, Wide of) {
    const auto share = static_cast<std::int64_t>(static_cast<Wide>(loads[e]) * shares / of);
    return std::max<std::int64_t>(share - (minimum - 1), 0);
  };
  Wide shares = 5 * static_cast<Wide>(extra) + 2 * remaining;
  Wide of = 5 * total;
  const auto left_after = [&] {
    std::int64_t left = extra;
    for (const std::int32_t expert : able) {
      const auto e = static_cast<std::size_t>(expert);
      const std::int64_t more = sure(e, shares, of);
      left -= more;
      counts[e] = static_cast<std::int32_t>(minimum + more);
    }
    return left;
  };
  std::int64_t left = left_after();
  if (left < 0) {
    shares = static_cast<Wide>(extra);
    of = total;
    left = left_after();
  }
  heap.clear();
  for (const std::int32_t expert : able) {
    const auto e = static_cast<std::size_t>(expert);
    heap.push_back(key_of<Key>(loads[e], counts[e], expert));
  }
  for (std::size_t at = heap.size() / 2; at-- > 0;) sift_down(heap, at);
  for (; left > 0; --left) {
    const auto e = static_cast<std::size_t>(heap[0].expert);
    heap[0] = key_of<Key>(loads[e], ++counts[e], heap[0].expert);
    sift_down(heap, 0);
  }
}

}  // namespace

void GreedyCounts::run(std::span<const std::int64_t> loads, std::int64_t slots,
                       std::int64_t minimum, std::span<std::int32_t> counts) {
  const auto experts = static_cast<std::int64_t>(loads.size());
  BETHANY_CHECK(minimum >= 1 && minimum * experts <= slots && slots < INT32_MAX,
                "{} experts with {} replicas in {} slots", experts, minimum, slots);
  if (experts == 0) return;
  const std::int64_t total = std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
  if (total == 0) {
    for (std::int64_t e = 0; e < experts; ++e) {
      counts[static_cast<std::size_t>(e)] =
          static_cast<std::int32_t>(slots / experts + (e < slots % experts ? 1 : 0));
    }
    return;
  }
  std::fill(counts.begin(), counts.end(), static_cast<std::int32_t>(minimum));
  if (slots == minimum * experts) return;
  constexpr std::int64_t kExact = std::int64_t{1} << 52;
  if (total < kExact / slots) {
    hand_out<std::int64_t>(loads, slots, minimum, total, able_, quotients_, counts);
  } else {
    hand_out<Int128>(loads, slots, minimum, total, able_, fractions_, counts);
  }
}

}  // namespace bethany
