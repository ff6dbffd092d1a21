#include "tests/sim/placement/enumerate_support.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <numeric>
#include <tuple>

namespace bethany::naive {
namespace {

constexpr std::size_t kSets = std::size_t{1} << kEnumeratedNodes;
using Losses = std::bitset<kSets>;
using Node = std::array<std::uint8_t, kEnumeratedNodes>;

/// Experts placed so far, as far as the rest cares.
struct State {
  std::vector<std::uint8_t> sets;  // host sets that contain no other one, ascending
  Node room{};

  auto operator<=>(const State&) const = default;
};

class Enumerator {
 public:
  Enumerator(int nodes, std::vector<std::int64_t> reached)
      : nodes_(static_cast<std::size_t>(nodes)), best_(std::move(reached)) {
    for (std::size_t set = 0; set < losses(); ++set) {
      for (std::size_t lost = 0; lost < losses(); ++lost) fatal_[set][lost] = (set & ~lost) == 0;
    }
    std::iota(order_.begin(), order_.end(), std::uint8_t{0});
  }

  std::vector<std::int64_t> run(int slots, std::vector<std::int32_t> replicas) {
    std::sort(replicas.begin(), replicas.end());
    State start;
    std::fill_n(start.room.begin(), nodes_, static_cast<std::uint8_t>(slots));
    std::vector<State> states{start};
    for (std::size_t e = 0; e < replicas.size(); ++e) {
      const auto later = static_cast<int>(replicas.size() - e - 1);
      std::vector<State> next;
      for (const auto& state : states) extend(state, replicas[e], later, next);
      std::sort(next.begin(), next.end());
      next.erase(std::unique(next.begin(), next.end()), next.end());
      states = std::move(next);
    }
    for (const auto& state : states) {
      const auto counts = survive(state.sets);
      for (std::size_t k = 0; k <= nodes_; ++k) best_[k] = std::max(best_[k], counts[k]);
    }
    return best_;
  }

 private:
  std::size_t losses() const { return std::size_t{1} << nodes_; }

  std::vector<std::int64_t> survive(const std::vector<std::uint8_t>& sets) const {
    Losses dead;
    for (const auto set : sets) dead |= fatal_[set];
    std::vector<std::int64_t> counts(nodes_ + 1);
    for (std::size_t lost = 0; lost < losses(); ++lost) {
      if (!dead[lost]) ++counts[static_cast<std::size_t>(__builtin_popcountll(lost))];
    }
    return counts;
  }

  void extend(const State& state, std::int32_t replicas, int later, std::vector<State>& next) {
    std::size_t open = 0;
    int room = 0;
    for (std::size_t n = 0; n < nodes_; ++n) {
      if (state.room[n] > 0) open |= std::size_t{1} << n;
      room += state.room[n];
    }
    for (std::size_t set = open; set > 0; set = (set - 1) & open) {
      const int size = __builtin_popcountll(set);
      if (size > replicas || room - size < later) continue;
      State with = state;
      for (std::size_t n = 0; n < nodes_; ++n) {
        with.room[n] = static_cast<std::uint8_t>(with.room[n] - ((set >> n) & 1));
      }
      const auto inside = [&](std::uint8_t other) { return (other & ~set) == 0; };
      if (std::none_of(with.sets.begin(), with.sets.end(), inside)) {
        const auto outside = [&](std::uint8_t other) { return (set & ~other) == 0; };
        with.sets.erase(std::remove_if(with.sets.begin(), with.sets.end(), outside),
                        with.sets.end());
        with.sets.push_back(static_cast<std::uint8_t>(set));
        const auto counts = survive(with.sets);
        bool hopeful = false;
        for (std::size_t k = 0; k <= nodes_; ++k) hopeful = hopeful || counts[k] > best_[k];
        if (!hopeful) continue;
      }
      next.push_back(renamed(with));
    }
  }

  /// The nodes renamed so that states that differ by names only are (mostly) equal: by room and by
  /// the sizes of the sets they lie in; what this leaves open, by trying a few orders.
  State renamed(const State& state) const {
    std::array<std::uint64_t, kEnumeratedNodes> rank{};
    for (std::size_t n = 0; n < nodes_; ++n) {
      for (const auto set : state.sets) {
        if (((set >> n) & 1) != 0)
          rank[n] += std::uint64_t{1} << (7 * __builtin_popcountll(set) - 7);
      }
      rank[n] = rank[n] * 31 + state.room[n];
    }
    auto order = order_;
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(nodes_);
    std::sort(order.begin(), end, [&](std::uint8_t a, std::uint8_t b) {
      return std::tie(rank[a], a) < std::tie(rank[b], b);
    });
    std::size_t orders = 1;
    for (std::size_t n = 1, run = 1; n < nodes_; ++n) {
      run = rank[order[n]] == rank[order[n - 1]] ? run + 1 : 1;
      orders *= run;
    }
    State least = in_order(state, order);
    if (orders > 24) return least;
    // next_permutation over nodes numbered by their place, inside the runs of equal rank.
    auto next = order;
    for (std::size_t tried = 1; tried < orders; ++tried) {
      for (std::size_t n = 0; n < nodes_;) {
        std::size_t last = n;
        while (last < nodes_ && rank[next[last]] == rank[next[n]]) ++last;
        if (std::next_permutation(next.begin() + static_cast<std::ptrdiff_t>(n),
                                  next.begin() + static_cast<std::ptrdiff_t>(last))) {
          break;
        }
        n = last;
      }
      least = std::min(least, in_order(state, next));
    }
    return least;
  }

  State in_order(const State& state, const Node& order) const {
    State result;
    for (std::size_t n = 0; n < nodes_; ++n) result.room[n] = state.room[order[n]];
    for (const auto set : state.sets) {
      unsigned moved = 0;
      for (std::size_t n = 0; n < nodes_; ++n) moved |= ((set >> order[n]) & 1U) << n;
      result.sets.push_back(static_cast<std::uint8_t>(moved));
    }
    std::sort(result.sets.begin(), result.sets.end());
    return result;
  }

  std::size_t nodes_;
  std::vector<std::int64_t> best_;
  Node order_{};
  std::vector<Losses> fatal_ = std::vector<Losses>(kSets);
};

void extend_counts(int left, int most, std::size_t most_experts, std::vector<std::int32_t>& counts,
                   std::vector<std::vector<std::int32_t>>& all) {
  if (left == 0 && counts.size() >= 2) all.push_back(counts);
  if (counts.size() == most_experts) return;
  const std::int32_t least = counts.empty() ? 1 : counts.back();
  for (std::int32_t count = least; count <= std::min(most, left); ++count) {
    counts.push_back(count);
    extend_counts(left - count, most, most_experts, counts, all);
    counts.pop_back();
  }
}

}  // namespace

std::vector<std::int64_t> most_survived(int nodes, int slots,
                                        const std::vector<std::int32_t>& replicas,
                                        const std::vector<std::int64_t>& reached) {
  return Enumerator(nodes, reached).run(slots, replicas);
}

std::vector<std::vector<std::int32_t>> all_counts(int nodes, int slots, int most_experts) {
  std::vector<std::vector<std::int32_t>> all;
  std::vector<std::int32_t> counts;
  extend_counts(nodes * slots, nodes, static_cast<std::size_t>(most_experts), counts, all);
  return all;
}

}  // namespace bethany::naive
