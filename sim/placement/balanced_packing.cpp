#include "sim/placement/balanced_packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/int128.h"
#include "sim/placement/recovery.h"
#include "sim/placement/replica_weights.h"

namespace bethany {
namespace {

/// Sums of loads below 2^kQuickDigits are packed in 64 bits, their weights found in doubles.
constexpr int kQuickDigits = 52 - kWeightDigits;

}  // namespace

/// items_ by weight, heaviest first, ties by position: a counting sort over the leading digits of
/// the weights as floating-point numbers, which spreads skewed and even loads alike over the
/// buckets, then insertion, or a comparison sort when that has too much left to do.
void BalancedPacking::order_items() {
  const std::size_t n = weights_.size();
  bits_.resize(n);
  std::uint64_t least = UINT64_MAX;
  std::uint64_t top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // Plus one, so that no load is only one power of two below the least possible.
    const auto bits = std::bit_cast<std::uint64_t>(
        static_cast<double>(static_cast<std::int64_t>(weights_[i]) + 1));
    bits_[i] = bits;
    least = std::min(least, bits);
    top = std::max(top, bits);
  }
  const auto wanted = std::bit_ceil(2 * n);
  const int shift =
      std::max(static_cast<int>(std::bit_width(top - least)) - std::countr_zero(wanted), 0);
  buckets_.assign(wanted + 1, 0);
  for (std::size_t i = 0; i < n; ++i) ++buckets_[((top - bits_[i]) >> shift) + 1];
  std::uint32_t sum = 0;
  for (auto& bucket : buckets_) bucket = sum += bucket;
  items_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    items_[buckets_[(top - bits_[i]) >> shift]++] = {weights_[i], static_cast<std::int32_t>(i),
                                                     counts_[i]};
  }
  std::size_t steps_left = 8 * n;
  for (std::size_t i = 1; i < n; ++i) {
    const auto moved = items_[i];
    std::size_t to = i;
    for (; to > 0 && moved.weight > items_[to - 1].weight; --to) items_[to] = items_[to - 1];
    items_[to] = moved;
    if (i - to > steps_left) {
      std::stable_sort(items_.begin(), items_.end(),
                       [](const auto& a, const auto& b) { return a.weight > b.weight; });
      return;
    }
    steps_left -= i - to;
  }
}

/// Fills sequence_. Replicas of equal weight come as EPLB numbers them: first replicas by expert,
/// then the others in the order in which replication gave them, by load / j for the j-th.
template <class Word>
void BalancedPacking::expand(const std::vector<Item<Word>>& items) {
  std::size_t filled = 0;
  for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
    end = begin + 1;
    while (end < items.size() && items[end].weight == items[begin].weight) ++end;
    if (end == begin + 1) {
      for (std::int32_t left = items[begin].count; left > 0; --left) {
        sequence_[filled++] = static_cast<std::int32_t>(begin);
      }
      continue;
    }
    further_.clear();
    for (std::size_t at = begin; at < end; ++at) {
      sequence_[filled++] = static_cast<std::int32_t>(at);
      for (std::int32_t j = 1; j < items[at].count; ++j) {
        further_.emplace_back(static_cast<std::int32_t>(at), j);
      }
    }
    // With equal loads per replica, load / j compares as count / j; without load all are equal.
    const auto first_given = [&](const auto& a, const auto& b) {
      const std::int64_t left = std::int64_t{items[static_cast<std::size_t>(a.first)].count};
      const std::int64_t right = std::int64_t{items[static_cast<std::size_t>(b.first)].count};
      return left * b.second != right * a.second ? left * b.second > right * a.second
                                                 : a.first < b.first;
    };
    if (items[begin].weight > 0) std::sort(further_.begin(), further_.end(), first_given);
    for (const auto& replica : further_) sequence_[filled++] = replica.first;
  }
}

/// Fills pack_of_replica_. A pack's key is (load, number) in one word, so the least loaded pack is
/// the root of a tree of minima; a full pack has the largest key.
template <class Word>
void BalancedPacking::pack(const std::vector<Item<Word>>& items, std::size_t packs,
                           std::int32_t capacity, std::vector<Word>& tree) {
  expand(items);
  const std::size_t leaves = std::bit_ceil(packs);
  const int digits = std::countr_zero(leaves);
  const Word number = static_cast<Word>(leaves - 1);
  const Word full = ~static_cast<Word>(0);
  tree.resize(2 * leaves);
  for (std::size_t p = 0; p < leaves; ++p) {
    tree[leaves + p] = p < packs ? static_cast<Word>(p) : full;
  }
  used_.assign(packs, 0);

  // The first replicas with load open a pack each: an empty pack is the least loaded.
  std::size_t opened = 0;
  for (; opened < std::min(packs, sequence_.size()); ++opened) {
    const auto& item = items[static_cast<std::size_t>(sequence_[opened])];
    if (item.weight == 0) break;
    auto& replica = next_replica_[static_cast<std::size_t>(item.position)];
    pack_of_replica_[static_cast<std::size_t>(replica++)] = static_cast<std::int32_t>(opened);
    used_[opened] = 1;
    tree[leaves + opened] += item.weight << digits;
  }
  for (std::size_t at = leaves; at-- > 1;) tree[at] = std::min(tree[2 * at], tree[2 * at + 1]);

  Word least = tree[1];
  for (std::size_t next = opened; next < sequence_.size(); ++next) {
    const auto& item = items[static_cast<std::size_t>(sequence_[next])];
    const auto p = static_cast<std::size_t>(least & number);
    auto& replica = next_replica_[static_cast<std::size_t>(item.position)];
    pack_of_replica_[static_cast<std::size_t>(replica++)] = static_cast<std::int32_t>(p);
    Word key = ++used_[p] == capacity ? full : least + (item.weight << digits);
    std::size_t at = leaves + p;
    tree[at] = key;
    for (; at > 1; at >>= 1) {
      const Word other = tree[at ^ 1];
      key = other < key ? other : key;
      tree[at >> 1] = key;
    }
    least = key;
  }
}

void BalancedPacking::run(std::span<const std::int32_t> experts,
                          std::span<const std::int32_t> replicas,
                          std::span<const std::int64_t> loads, std::int64_t packs,
                          std::int64_t capacity, std::span<std::int32_t> rows) {
  const std::size_t n = experts.size();
  BETHANY_CHECK(packs > 0 && capacity > 0 && packs * capacity < INT32_MAX, "{} packs of {}", packs,
                capacity);
  counts_.resize(n);
  next_replica_.resize(n);
  std::int32_t sum = 0;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto e = static_cast<std::size_t>(experts[i]);
    counts_[i] = replicas[e];
    next_replica_[i] = sum;
    sum += replicas[e];
    total += loads.empty() ? 0 : loads[e];
  }
  BETHANY_CHECK(sum <= packs * capacity, "{} replicas in {} packs of {}", sum, packs, capacity);
  if (sum < packs * capacity) std::fill(rows.begin(), rows.end(), kVacant);
  if (capacity == 1) {
    std::size_t next = n;
    for (std::size_t i = 0; i < n; ++i) {
      rows[i] = experts[i];
      for (std::int32_t more = counts_[i]; more > 1; --more) rows[next++] = experts[i];
    }
    return;
  }
  sequence_.resize(static_cast<std::size_t>(sum));
  pack_of_replica_.resize(static_cast<std::size_t>(sum));
  const auto load = [&](std::size_t i) {
    return total == 0 ? std::int64_t{1} : loads[static_cast<std::size_t>(experts[i])];
  };
  const auto pack_count = static_cast<std::size_t>(packs);
  const auto in_pack = static_cast<std::int32_t>(capacity);
  const std::int64_t bound = std::max<std::int64_t>(total, sum);
  if (bound < (std::int64_t{1} << kQuickDigits) &&
      bound < (INT64_MAX >> kWeightDigits) / packs / 2) {
    // Both numbers below 2^52: the nearest double of a quotient never reaches the next integer.
    weights_.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      weights_[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(
          static_cast<double>(load(i) << kWeightDigits) / static_cast<double>(counts_[i])));
    }
    order_items();
    pack(items_, pack_count, in_pack, tree_);
  } else {
    std::vector<Item<UInt128>> items;
    for (std::size_t i = 0; i < n; ++i) {
      const auto weight =
          (static_cast<UInt128>(load(i)) << kWeightDigits) / static_cast<UInt128>(counts_[i]);
      items.push_back({weight, static_cast<std::int32_t>(i), counts_[i]});
    }
    std::stable_sort(items.begin(), items.end(),
                     [](const auto& a, const auto& b) { return a.weight > b.weight; });
    std::vector<UInt128> tree;
    pack(items, pack_count, in_pack, tree);
  }

  std::fill(used_.begin(), used_.end(), 0);
  const auto room = static_cast<std::size_t>(capacity);
  std::size_t replica = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::int32_t left = counts_[i]; left > 0; --left, ++replica) {
      const auto p = static_cast<std::size_t>(pack_of_replica_[replica]);
      rows[p * room + static_cast<std::size_t>(used_[p]++)] = experts[i];
    }
  }
}

void BalancedPacking::run(std::span<const std::int32_t> replicas,
                          std::span<const std::int64_t> loads, std::int64_t packs,
                          std::int64_t capacity, std::span<std::int32_t> rows) {
  if (all_experts_.size() != replicas.size()) {
    all_experts_.resize(replicas.size());
    std::iota(all_experts_.begin(), all_experts_.end(), 0);
  }
  run(all_experts_, replicas, loads, packs, capacity, rows);
}

std::optional<Infeasible> refuse_expert_groups(const PlacementShape& shape) {
  if (shape.expert_groups == 0) return std::nullopt;
  if (shape.expert_groups > 0 && shape.experts % shape.expert_groups == 0) return std::nullopt;
  return Infeasible{
      fmt::format("{} experts cannot form {} equal groups", shape.experts, shape.expert_groups)};
}

std::vector<std::vector<std::int32_t>> experts_of_nodes(const PlacementShape& shape,
                                                        std::span<const std::int64_t> loads,
                                                        BalancedPacking& packing) {
  if (shape.expert_groups == 0 || shape.expert_groups % shape.nodes != 0) return {};
  const auto groups = static_cast<std::size_t>(shape.expert_groups);
  const std::size_t size = static_cast<std::size_t>(shape.experts) / groups;
  const std::size_t per_node = groups / static_cast<std::size_t>(shape.nodes);
  std::vector<std::int64_t> group_loads(groups);
  for (std::size_t e = 0; e < loads.size(); ++e) group_loads[e / size] += loads[e];
  const std::vector<std::int32_t> once(groups, 1);
  std::vector<std::int32_t> rows(groups);
  packing.run(once, group_loads, shape.nodes, static_cast<std::int64_t>(per_node), rows);
  std::vector<std::vector<std::int32_t>> experts(static_cast<std::size_t>(shape.nodes));
  for (std::size_t i = 0; i < groups; ++i) {
    auto& node = experts[i / per_node];
    for (std::size_t member = 0; member < size; ++member) {
      node.push_back(static_cast<std::int32_t>(static_cast<std::size_t>(rows[i]) * size + member));
    }
  }
  return experts;
}

}  // namespace bethany
