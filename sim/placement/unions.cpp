#include "sim/placement/bits.h"
#include "sim/placement/exact_methods.h"

namespace bethany {
namespace {

/// Goes through the families depth first. A family whose union is larger than k_max adds nothing,
/// nor do those that go on from it. If a set still to come lies within the union, the families with
/// and without it cancel: these add nothing either.
class UnionSizes {
 public:
  UnionSizes(const Component& part, int k_max, WorkBudget& budget)
      : words_(words_for(static_cast<std::size_t>(part.nodes))),
        count_(part.sets.size()),
        largest_(std::min(k_max, part.nodes)),
        sets_(count_ * words_),
        unions_((count_ + 1) * words_),
        by_size_(static_cast<std::size_t>(largest_) + 1),
        budget_(budget) {
    for (std::size_t i = 0; i < count_; ++i) {
      for (const std::int32_t node : part.sets[i]) {
        set_bit(sets_.data() + i * words_, static_cast<std::size_t>(node));
      }
    }
  }

  std::optional<std::vector<std::int64_t>> count() {
    if (!add(0, 0, 0, 1)) return std::nullopt;
    return std::move(by_size_);
  }

 private:
  /// Families that go on from one of `chosen` sets with sets from `next` on; false: budget spent.
  bool add(std::size_t next, std::size_t chosen, int size, std::int64_t sign) {
    const std::uint64_t* present = unions_.data() + chosen * words_;
    if (!budget_.spend(2 + static_cast<std::int64_t>((count_ - next) * words_))) return false;
    for (std::size_t i = next; i < count_; ++i) {
      bool within = true;
      for (std::size_t w = 0; w < words_ && within; ++w) {
        within = (sets_[i * words_ + w] & ~present[w]) == 0;
      }
      if (within) return true;
    }
    by_size_[static_cast<std::size_t>(size)] += sign;
    std::uint64_t* with = unions_.data() + (chosen + 1) * words_;
    for (std::size_t i = next; i < count_; ++i) {
      int united = 0;
      for (std::size_t w = 0; w < words_; ++w) {
        with[w] = present[w] | sets_[i * words_ + w];
        united += count_bits(with[w]);
      }
      if (united <= largest_ && !add(i + 1, chosen + 1, united, -sign)) return false;
    }
    return true;
  }

  std::size_t words_;
  std::size_t count_;
  int largest_;
  std::vector<std::uint64_t> sets_;
  std::vector<std::uint64_t> unions_;  // by number of sets chosen
  std::vector<std::int64_t> by_size_;
  WorkBudget& budget_;
};

}  // namespace

std::optional<std::vector<std::int64_t>> count_unions(const Component& part, int k_max,
                                                      WorkBudget& budget) {
  return UnionSizes(part, k_max, budget).count();
}

}  // namespace bethany
