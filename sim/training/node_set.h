#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "sim/base/check.h"
#include "sim/base/ids.h"

namespace bethany {

/// A set of node ids below a fixed bound, in id order. Insert, erase and the next or last element
/// cost O(log64 bound); memory is about bound / 63 words. So an event of a 100,000-node cluster
/// costs what one of a small cluster does.
class NodeSet {
 public:
  explicit NodeSet(std::size_t bound) {
    do {
      bound = (bound + 63) / 64;
      levels_.emplace_back(bound, 0);
    } while (bound > 1);
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool contains(NodeId id) const { return (levels_[0][id.index() / 64] >> (id.index() % 64)) & 1U; }

  /// Requires: not in the set.
  void insert(NodeId id) {
    BETHANY_DCHECK(!contains(id), "node {} is in the set already", id.value);
    std::size_t place = id.index();
    for (auto& level : levels_) {
      const bool was_empty = level[place / 64] == 0;
      level[place / 64] |= std::uint64_t{1} << (place % 64);
      if (!was_empty) break;
      place /= 64;
    }
    ++size_;
  }

  /// Requires: in the set.
  void erase(NodeId id) {
    BETHANY_DCHECK(contains(id), "node {} is not in the set", id.value);
    std::size_t place = id.index();
    for (auto& level : levels_) {
      level[place / 64] &= ~(std::uint64_t{1} << (place % 64));
      if (level[place / 64] != 0) break;
      place /= 64;
    }
    --size_;
  }

  /// Requires: not empty.
  NodeId last() const {
    std::size_t place = 0;
    for (std::size_t level = levels_.size(); level-- > 0;) {
      place = place * 64 + 63 - static_cast<std::size_t>(std::countl_zero(levels_[level][place]));
    }
    return NodeId(static_cast<std::int32_t>(place));
  }

  /// Calls with every element in ascending order.
  template <class Call>
  void for_each(Call&& call) const {
    for (std::size_t word = 0; word < levels_[0].size(); ++word) {
      for (std::uint64_t bits = levels_[0][word]; bits != 0; bits &= bits - 1) {
        call(NodeId(static_cast<std::int32_t>(word * 64 +
                                              static_cast<std::size_t>(std::countr_zero(bits)))));
      }
    }
  }

 private:
  std::vector<std::vector<std::uint64_t>> levels_;  // [0]: the elements; above: non-empty words
  int size_ = 0;
};

}  // namespace bethany
