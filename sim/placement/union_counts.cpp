#include "sim/placement/union_counts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace bethany {
namespace {

template <std::size_t Words>
struct Union {
  std::array<std::uint64_t, Words> nodes{};
  std::int32_t size = 0;
  std::int64_t coefficient = 0;
};

template <std::size_t Words>
std::int32_t joined_size(const Union<Words>& at, const std::uint64_t* set,
                         std::span<const std::int32_t> weight, std::size_t words) {
  std::int32_t size = at.size;
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t bits = set[w] & ~at.nodes[w]; bits != 0; bits &= bits - 1) {
      size += weight[w * kBitsPerWord + static_cast<std::size_t>(std::countr_zero(bits))];
    }
  }
  return size;
}

/// Adds sorted `added` to sorted `unions`, equal unions together; false when a number overflows.
template <std::size_t Words>
bool merge(std::vector<Union<Words>>& unions, const std::vector<Union<Words>>& added,
           std::vector<Union<Words>>& merged) {
  merged.clear();
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < unions.size() || j < added.size()) {
    Union<Words> next;
    if (j == added.size() || (i < unions.size() && unions[i].nodes <= added[j].nodes)) {
      next = unions[i++];
    } else {
      next = added[j++];
    }
    while (j < added.size() && added[j].nodes == next.nodes) {
      if (__builtin_add_overflow(next.coefficient, added[j].coefficient, &next.coefficient)) {
        return false;
      }
      ++j;
    }
    if (next.coefficient != 0) merged.push_back(next);
  }
  unions.swap(merged);
  return true;
}

template <std::size_t Words>
UnionCounts count(const HostBits& sets, std::span<const std::int32_t> weight, int limit,
                  std::int64_t work) {
  const auto total = std::accumulate(weight.begin(), weight.end(), 0);
  UnionCounts result;
  result.next_size = total + 1;
  std::vector<Union<Words>> unions(1);
  unions.front().coefficient = 1;
  std::vector<Union<Words>> added;
  std::vector<Union<Words>> merged;
  for (std::size_t i = 0; i < sets.sets(); ++i) {
    added.clear();
    for (const auto& at : unions) {
      const auto size = joined_size(at, sets.set(i), weight, sets.words);
      if (size > limit) {
        result.next_size = std::min(result.next_size, size);
        continue;
      }
      Union<Words> joined = at;
      for (std::size_t w = 0; w < sets.words; ++w) joined.nodes[w] |= sets.set(i)[w];
      joined.size = size;
      joined.coefficient = -joined.coefficient;
      added.push_back(joined);
    }
    // Sorting takes about a dozen steps for each union.
    result.work += static_cast<std::int64_t>((unions.size() + 12 * added.size()) * sets.words);
    if (result.work > work) return result;
    std::sort(added.begin(), added.end(),
              [](const auto& a, const auto& b) { return a.nodes < b.nodes; });
    if (!merge(unions, added, merged)) return result;
  }
  result.by_size.assign(static_cast<std::size_t>(limit) + 1, 0);
  for (const auto& at : unions) {
    result.by_size[static_cast<std::size_t>(at.size)] += at.coefficient;
  }
  result.exact = true;
  return result;
}

}  // namespace

UnionCounts count_unions(const HostBits& sets, std::span<const std::int32_t> weight, int limit,
                         std::int64_t work) {
  if (sets.words <= 1) return count<1>(sets, weight, limit, work);
  if (sets.words <= 2) return count<2>(sets, weight, limit, work);
  if (sets.words <= 4) return count<4>(sets, weight, limit, work);
  if (sets.words <= 16) return count<16>(sets, weight, limit, work);
  return {};
}

}  // namespace bethany
