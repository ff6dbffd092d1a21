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

/// Sorts items_ (in order of position) by weight, heaviest first, ties by position: a radix sort
/// over the leading digits of the weights as floating-point numbers, in which skewed and even loads
/// alike differ; then insertion, or a comparison sort when that has too much left to do.
void BalancedPacking::order_items() {
  const std::size_t n = items_.size();
  // Plus one, so that no load is only one power of two below the least possible.
  const auto bits_of = [](std::uint64_t weight) {
    return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(weight) + 1));
  };
  std::uint64_t lightest = UINT64_MAX;
  std::uint64_t heaviest = 0;
  for (const auto& item : items_) {
    lightest = std::min(lightest, item.weight);
    heaviest = std::max(heaviest, item.weight);
  }
  constexpr std::size_t kMostBuckets = 2048;
  const int digits = n <= 1024 ? 7 : 11;  // of each of the two passes
  const auto buckets = std::size_t{1} << digits;
  const std::uint64_t top = bits_of(heaviest);
  const int shift =
      std::max(static_cast<int>(std::bit_width(top - bits_of(lightest))) - 2 * digits, 0);
  std::uint32_t low_ends[kMostBuckets + 1];
  std::uint32_t high_ends[kMostBuckets + 1];
  std::fill_n(low_ends, buckets + 1, 0);
  std::fill_n(high_ends, buckets + 1, 0);
  ranks_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto rank = static_cast<std::uint32_t>((top - bits_of(items_[i].weight)) >> shift);
    ranks_[i] = rank;
    ++low_ends[rank % buckets + 1];
    ++high_ends[(rank >> digits) + 1];
  }
  for (std::size_t b = 1; b <= buckets; ++b) {
    low_ends[b] += low_ends[b - 1];
    high_ends[b] += high_ends[b - 1];
  }
  half_sorted_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    half_sorted_[low_ends[ranks_[i] % buckets]++] = static_cast<std::int32_t>(i);
  }
  spare_.resize(n);
  for (const std::int32_t position : half_sorted_) {
    const auto i = static_cast<std::size_t>(position);
    spare_[high_ends[ranks_[i] >> digits]++] = items_[i];
  }
  items_.swap(spare_);

  std::size_t steps_left = 8 * n;
  for (std::size_t i = 1; i < n; ++i) {
    if (items_[i].weight <= items_[i - 1].weight) continue;
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

template <class Word>
void BalancedPacking::expand(const std::vector<Item<Word>>& items,
                             std::vector<Replica<Word>>& replicas) const {
  auto next = replicas.begin();
  for (const auto& item : items) {
    const auto i = static_cast<std::size_t>(item.position);
    for (std::int32_t number = first_of_[i]; number < first_of_[i + 1]; ++number, ++next) {
      *next = {item.weight, number};
    }
  }
}

/// Replicas of equal weight as EPLB numbers them: first replicas by expert, then the others in the
/// order in which replication gave them, by load / j for the j-th.
template <class Word>
void BalancedPacking::order_ties(std::vector<Replica<Word>>& replicas) const {
  const auto expert = [&](std::size_t at) {
    return expert_of_[static_cast<std::size_t>(replicas[at].number)];
  };
  bool ties = false;
  for (std::size_t at = 1; at < replicas.size(); ++at) {
    ties |= replicas[at].weight == replicas[at - 1].weight && expert(at) != expert(at - 1);
  }
  if (!ties) return;
  struct Further {
    Replica<Word> replica;
    std::int64_t count;
    std::int64_t j;
  };
  std::vector<Further> further;
  for (std::size_t begin = 0, end = 0; begin < replicas.size(); begin = end) {
    further.clear();
    std::size_t first = begin;  // where the next first replica goes
    for (end = begin; end < replicas.size() && replicas[end].weight == replicas[begin].weight;) {
      const std::size_t own = end;  // all replicas of an expert are here, one after another
      while (end < replicas.size() && expert(end) == expert(own)) ++end;
      for (std::size_t at = own + 1; at < end; ++at) {
        further.push_back({replicas[at], static_cast<std::int64_t>(end - own),
                           static_cast<std::int64_t>(at - own)});
      }
      replicas[first++] = replicas[own];
    }
    // With equal loads per replica, load / j compares as count / j; without load all are equal.
    if (replicas[begin].weight > 0) {
      std::sort(further.begin(), further.end(), [](const Further& a, const Further& b) {
        return a.count * b.j != b.count * a.j ? a.count * b.j > b.count * a.j
                                              : a.replica.number < b.replica.number;
      });
    }
    for (const auto& each : further) replicas[first++] = each.replica;
  }
}

/// Fills pack_of_. A pack's key is (load, number) in one word, so the least loaded pack is the root
/// of a tree of minima; a full pack has the largest key.
template <class Word>
void BalancedPacking::pack(const std::vector<Replica<Word>>& replicas, std::size_t packs,
                           std::int32_t capacity, std::vector<Word>& tree) {
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
  for (; opened < std::min(packs, replicas.size()); ++opened) {
    if (replicas[opened].weight == 0) break;
    pack_of_[static_cast<std::size_t>(replicas[opened].number)] = static_cast<std::int32_t>(opened);
    used_[opened] = 1;
    tree[leaves + opened] += replicas[opened].weight << digits;
  }
  for (std::size_t at = leaves; at-- > 1;) tree[at] = std::min(tree[2 * at], tree[2 * at + 1]);

  Word least = tree[1];
  for (std::size_t next = opened; next < replicas.size(); ++next) {
    const auto p = static_cast<std::size_t>(least & number);
    pack_of_[static_cast<std::size_t>(replicas[next].number)] = static_cast<std::int32_t>(p);
    // Without branches, which nobody could predict: a full pack has all digits set.
    const bool is_full = ++used_[p] == capacity;
    Word key = (least + (replicas[next].weight << digits)) | (Word{0} - Word{is_full});
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

void BalancedPacking::number_replicas(std::span<const std::int32_t> experts,
                                      std::span<const std::int32_t> replicas, std::size_t slots) {
  pack_of_.resize(slots);
  expert_of_.resize(slots);
  first_of_.resize(experts.size() + 1);
  std::int32_t number = 0;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    first_of_[i] = number;
    const std::int32_t end = number + replicas[static_cast<std::size_t>(experts[i])];
    for (; number < end; ++number) expert_of_[static_cast<std::size_t>(number)] = experts[i];
  }
  first_of_.back() = number;
}

void BalancedPacking::run(std::span<const std::int32_t> experts,
                          std::span<const std::int32_t> replicas,
                          std::span<const std::int64_t> loads, std::int64_t packs,
                          std::int64_t capacity, std::span<std::int32_t> rows) {
  BETHANY_CHECK(packs > 0 && capacity > 0 && packs * capacity < INT32_MAX, "{} packs of {}", packs,
                capacity);
  std::int64_t sum = 0;
  std::int64_t total = 0;
  for (const std::int32_t e : experts) {
    sum += replicas[static_cast<std::size_t>(e)];
    total += loads.empty() ? 0 : loads[static_cast<std::size_t>(e)];
  }
  BETHANY_CHECK(sum <= packs * capacity, "{} replicas in {} packs of {}", sum, packs, capacity);
  if (sum < packs * capacity) std::fill(rows.begin(), rows.end(), kVacant);
  if (capacity == 1) {
    std::size_t next = experts.size();
    for (std::size_t i = 0; i < experts.size(); ++i) {
      rows[i] = experts[i];
      const std::int32_t count = replicas[static_cast<std::size_t>(experts[i])];
      for (std::int32_t more = count; more > 1; --more) rows[next++] = experts[i];
    }
    return;
  }
  const auto slots = static_cast<std::size_t>(sum);
  number_replicas(experts, replicas, slots);
  const auto load_of = [&](std::int32_t expert) {
    return total == 0 ? std::int64_t{1} : loads[static_cast<std::size_t>(expert)];
  };
  const auto pack_count = static_cast<std::size_t>(packs);
  const auto in_pack = static_cast<std::int32_t>(capacity);
  const std::int64_t bound = std::max(total, sum);
  if (bound < (std::int64_t{1} << kQuickDigits) &&
      bound < (INT64_MAX >> kWeightDigits) / packs / 2) {
    items_.resize(experts.size());
    for (std::size_t i = 0; i < experts.size(); ++i) {
      // Both numbers below 2^52: the nearest double of a quotient never reaches the next integer.
      const auto load = static_cast<double>(load_of(experts[i]) << kWeightDigits);
      const auto weight = load / replicas[static_cast<std::size_t>(experts[i])];
      items_[i] = {static_cast<std::uint64_t>(static_cast<std::int64_t>(weight)),
                   static_cast<std::int32_t>(i)};
    }
    order_items();
    replicas_.resize(slots);
    expand(items_, replicas_);
    order_ties(replicas_);
    pack(replicas_, pack_count, in_pack, tree_);
  } else {
    std::vector<Item<UInt128>> items;
    for (std::size_t i = 0; i < experts.size(); ++i) {
      const auto count = static_cast<UInt128>(replicas[static_cast<std::size_t>(experts[i])]);
      items.push_back({(static_cast<UInt128>(load_of(experts[i])) << kWeightDigits) / count,
                       static_cast<std::int32_t>(i)});
    }
    std::stable_sort(items.begin(), items.end(),
                     [](const auto& a, const auto& b) { return a.weight > b.weight; });
    std::vector<Replica<UInt128>> wide(slots);
    expand(items, wide);
    order_ties(wide);
    std::vector<UInt128> tree;
    pack(wide, pack_count, in_pack, tree);
  }

  std::fill(used_.begin(), used_.end(), 0);
  const auto room = static_cast<std::size_t>(capacity);
  for (std::size_t i = 0; i < slots; ++i) {
    const auto p = static_cast<std::size_t>(pack_of_[i]);
    rows[p * room + static_cast<std::size_t>(used_[p]++)] = expert_of_[i];
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
