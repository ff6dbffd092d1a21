#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/base/check.h"
#include "sim/placement/bits.h"
#include "sim/placement/recovery.h"

namespace bethany {
namespace {

/// Node sets as bits, all of the same number of words.
class NodeSets {
 public:
  NodeSets(std::size_t count, int nodes)
      : words_(words_for(static_cast<std::size_t>(nodes))), bits_(count * words_) {}

  std::uint64_t* set(std::size_t i) { return bits_.data() + i * words_; }
  const std::uint64_t* set(std::size_t i) const { return bits_.data() + i * words_; }

  int size_of(std::size_t i) const {
    int count = 0;
    for (std::size_t w = 0; w < words_; ++w) count += count_bits(set(i)[w]);
    return count;
  }
  bool contains(std::size_t outer, std::size_t inner) const {
    for (std::size_t w = 0; w < words_; ++w) {
      if ((set(inner)[w] & ~set(outer)[w]) != 0) return false;
    }
    return true;
  }
  /// Order of the ascending lists of two sets of equal size: the lowest node that only one of them
  /// has decides. 0 when equal.
  int compare(std::size_t a, std::size_t b) const {
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t difference = set(a)[w] ^ set(b)[w];
      if (difference == 0) continue;
      return (set(a)[w] & difference & (~difference + 1)) != 0 ? -1 : 1;
    }
    return 0;
  }
  HostSet list(std::size_t i) const {
    HostSet nodes;
    for (std::size_t w = 0; w < words_; ++w) {
      for (std::uint64_t bits = set(i)[w]; bits != 0; bits &= bits - 1) {
        nodes.push_back(static_cast<std::int32_t>(w * kBitsPerWord) + std::countr_zero(bits));
      }
    }
    return nodes;
  }
  template <class Visit>
  void for_each_node(std::size_t i, Visit visit) const {
    for (std::size_t w = 0; w < words_; ++w) {
      for (std::uint64_t bits = set(i)[w]; bits != 0; bits &= bits - 1) {
        if (!visit(w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits)))) return;
      }
    }
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

NodeSets hosts_of_all(const PlacementPlan& plan) {
  const auto experts = static_cast<std::size_t>(plan.experts);
  NodeSets sets(plan.layers.size() * experts, plan.nodes);
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const std::int32_t* slot = plan.layers[layer].expert_of_slot.data();
    for (int node = 0; node < plan.nodes; ++node) {
      for (int i = 0; i < plan.slots_per_node; ++i, ++slot) {
        if (*slot == kVacant) continue;
        set_bit(sets.set(layer * experts + static_cast<std::size_t>(*slot)),
                static_cast<std::size_t>(node));
      }
    }
  }
  return sets;
}

}  // namespace

std::vector<HostSet> minimal_host_sets(const PlacementPlan& plan) {
  const NodeSets sets = hosts_of_all(plan);
  struct Sized {
    std::int32_t size;
    std::int32_t set;
  };
  std::vector<Sized> order;
  const auto count = plan.layers.size() * static_cast<std::size_t>(plan.experts);
  for (std::size_t i = 0; i < count; ++i) {
    order.push_back({sets.size_of(i), static_cast<std::int32_t>(i)});
  }
  std::sort(order.begin(), order.end(), [&](const Sized& a, const Sized& b) {
    if (a.size != b.size) return a.size < b.size;
    const int content =
        sets.compare(static_cast<std::size_t>(a.set), static_cast<std::size_t>(b.set));
    return content != 0 ? content < 0 : a.set < b.set;
  });
  // A set that lies within this one begins at one of this one's nodes: chains by first node.
  std::vector<std::int32_t> first_with(static_cast<std::size_t>(plan.nodes), -1);
  std::vector<std::int32_t> next;
  std::vector<std::size_t> kept;
  std::vector<HostSet> result;
  std::size_t previous = count;
  for (const Sized& sized : order) {
    const auto candidate = static_cast<std::size_t>(sized.set);
    if (previous != count && sets.compare(previous, candidate) == 0) continue;
    previous = candidate;
    if (sized.size == 0) return {HostSet{}};
    bool minimal = true;
    std::size_t lowest = count;
    sets.for_each_node(candidate, [&](std::size_t node) {
      if (lowest == count) lowest = node;
      for (std::int32_t at = first_with[node]; minimal && at >= 0;
           at = next[static_cast<std::size_t>(at)]) {
        minimal = !sets.contains(candidate, kept[static_cast<std::size_t>(at)]);
      }
      return minimal;
    });
    if (!minimal) continue;
    next.push_back(first_with[lowest]);
    first_with[lowest] = static_cast<std::int32_t>(kept.size());
    kept.push_back(candidate);
    result.push_back(sets.list(candidate));
  }
  return result;
}

}  // namespace bethany
