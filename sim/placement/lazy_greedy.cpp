#include "sim/placement/lazy_greedy.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>

#include "sim/placement/row_kinds.h"

namespace bethany {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

class LazyGreedy {
 public:
  LazyGreedy(const ExpertBits& needs, const ExpertBits& held,
             const std::vector<std::uint32_t>& places, const std::vector<std::uint32_t>& machines)
      : needs_(needs),
        places_(places),
        kinds_(kinds_of(held, machines)),
        holders_(holders_of(held, kinds_)),
        left_from_(kinds_.size()),
        common_(kinds_.size()) {
    for (std::uint32_t kind = 0; kind < kinds_.size(); ++kind) by_head_.push({head(kind), kind});
  }

  std::vector<std::uint32_t> run() {
    std::priority_queue<Pair, std::vector<Pair>, std::greater<>> heap;
    for (std::uint32_t i = 0; i < places_.size(); ++i) heap.push(best_of(i));
    std::vector<std::uint32_t> machine_of(places_.size(), kNone);
    while (!heap.empty()) {
      const auto [cost, place, machine, kind] = heap.top();
      heap.pop();
      if (head(kind) != machine) {
        heap.push(best_of(place));
        continue;
      }
      machine_of[place] = machine;
      ++left_from_[kind];
      if (head(kind) != kNone) by_head_.push({head(kind), kind});
    }
    return machine_of;
  }

 private:
  /// (newly assigned experts, position of the place, machine, its kind)
  using Pair = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>;

  /// The first machine of a kind that is free; kNone when there is none.
  std::uint32_t head(std::uint32_t kind) const {
    const auto& members = kinds_.members[kind];
    return left_from_[kind] < members.size() ? members[left_from_[kind]] : kNone;
  }

  Pair best_of(std::uint32_t place) {
    std::uint32_t needed = 0;
    each_bit(needs_.row(places_[place]), needs_.words(), [&](std::size_t bit) {
      ++needed;
      for (const std::uint32_t kind : holders_[bit]) {
        if (common_[kind]++ == 0) touched_.push_back(kind);
      }
    });
    // The first free machine of all, for a place that has nothing in common with any.
    while (head(by_head_.top().second) != by_head_.top().first) by_head_.pop();
    Pair best{needed, place, by_head_.top().first, by_head_.top().second};
    for (const std::uint32_t kind : touched_) {
      if (head(kind) != kNone)
        best = std::min(best, {needed - common_[kind], place, head(kind), kind});
      common_[kind] = 0;
    }
    touched_.clear();
    return best;
  }

  const ExpertBits& needs_;
  const std::vector<std::uint32_t>& places_;
  RowKinds kinds_;
  std::vector<std::vector<std::uint32_t>> holders_;
  std::vector<std::size_t> left_from_;  // members of each kind that are gone
  std::vector<std::uint32_t> common_;   // experts in common, while a place looks
  std::vector<std::uint32_t> touched_;
  /// Kinds by their first free machine; outdated entries are passed over.
  std::priority_queue<std::pair<std::uint32_t, std::uint32_t>,
                      std::vector<std::pair<std::uint32_t, std::uint32_t>>, std::greater<>>
      by_head_;
};

}  // namespace

std::vector<std::uint32_t> lazy_greedy(const ExpertBits& needs, const ExpertBits& held,
                                       const std::vector<std::uint32_t>& places,
                                       const std::vector<std::uint32_t>& machines) {
  return LazyGreedy(needs, held, places, machines).run();
}

}  // namespace bethany
