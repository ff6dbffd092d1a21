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

/// Buckets with more positions than this are sorted by comparison.
constexpr std::int32_t kSmallBucket = 12;

/// Loads of one replica each. Every product stays in Word: the caller has looked.
template <class Word>
void weigh(std::span<const std::int32_t> experts, std::span<const std::int32_t> counts,
           std::span<const std::int64_t> loads, bool no_load, std::vector<Word>& weights) {
  weights.resize(experts.size());
  for (std::size_t i = 0; i < experts.size(); ++i) {
    const auto load = static_cast<Word>(no_load ? 1 : loads[static_cast<std::size_t>(experts[i])]);
    const Word scaled = load << kWeightDigits;
    weights[i] = counts[i] == 1 ? scaled : scaled / static_cast<Word>(counts[i]);
  }
}

/// The ranks of doubles as whole numbers: larger for larger weights.
std::uint64_t rank_of(std::uint64_t weight) {
  return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(weight) + 1));
}

}  // namespace

/// A counting sort over the leading digits of the weights as floating-point numbers, which spreads
/// skewed and even loads alike over the buckets; then each bucket.
void BalancedPacking::order_by_weight() {
  const std::size_t n = weights_.size();
  order_.resize(n);
  const auto [least, largest] = std::minmax_element(weights_.begin(), weights_.end());
  const std::uint64_t top = rank_of(*largest);
  const auto wanted = std::bit_ceil(2 * n);
  const int shift = std::max(
      static_cast<int>(std::bit_width(top - rank_of(*least))) - std::countr_zero(wanted), 0);
  ranks_.resize(n);
  buckets_.assign(wanted + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    ranks_[i] = static_cast<std::uint32_t>((top - rank_of(weights_[i])) >> shift);
    ++buckets_[ranks_[i] + 1];
  }
  std::int32_t largest_bucket = 0;
  for (std::size_t b = 1; b <= wanted; ++b) {
    largest_bucket = std::max(largest_bucket, buckets_[b]);
    buckets_[b] += buckets_[b - 1];
  }
  for (std::size_t i = 0; i < n; ++i) {
    order_[static_cast<std::size_t>(buckets_[ranks_[i]]++)] = static_cast<std::int32_t>(i);
  }
  const auto heavier = [&](std::int32_t a, std::int32_t b) {
    return weights_[static_cast<std::size_t>(a)] > weights_[static_cast<std::size_t>(b)];
  };
  if (largest_bucket > kSmallBucket) {
    // buckets_[b] is now the end of bucket b.
    std::int32_t begin = 0;
    for (std::size_t b = 0; b < wanted; begin = buckets_[b++]) {
      if (buckets_[b] - begin > kSmallBucket) {
        std::stable_sort(order_.begin() + begin, order_.begin() + buckets_[b], heavier);
      }
    }
  }
  for (std::size_t i = 1; i < n; ++i) {
    const std::int32_t moved = order_[i];
    std::size_t to = i;
    for (; to > 0 && heavier(moved, order_[to - 1]); --to) order_[to] = order_[to - 1];
    order_[to] = moved;
  }
}

/// Fills sequence_. Replicas of equal weight come as EPLB numbers them: first replicas by expert,
/// then the others in the order in which replication gave them, by load / j for the j-th.
template <class Word>
void BalancedPacking::expand_order(const std::vector<Word>& weights) {
  sequence_.clear();
  const auto weight = [&](std::size_t at) { return weights[static_cast<std::size_t>(order_[at])]; };
  const auto count = [&](std::int32_t position) {
    return counts_[static_cast<std::size_t>(position)];
  };
  for (std::size_t begin = 0, end = 0; begin < order_.size(); begin = end) {
    end = begin + 1;
    while (end < order_.size() && weight(end) == weight(begin)) ++end;
    if (end == begin + 1) {
      for (std::int32_t i = count(order_[begin]); i > 0; --i) sequence_.push_back(order_[begin]);
      continue;
    }
    further_.clear();
    for (std::size_t at = begin; at < end; ++at) {
      sequence_.push_back(order_[at]);
      for (std::int32_t j = 1; j < count(order_[at]); ++j) further_.emplace_back(order_[at], j);
    }
    // With equal loads per replica, load / j compares as count / j; without load all are equal.
    const auto first_given = [&](const auto& a, const auto& b) {
      const std::int64_t left = std::int64_t{count(a.first)} * b.second;
      const std::int64_t right = std::int64_t{count(b.first)} * a.second;
      return left != right ? left > right : a.first < b.first;
    };
    if (weight(begin) > 0) std::sort(further_.begin(), further_.end(), first_given);
    for (const auto& replica : further_) sequence_.push_back(replica.first);
  }
}

/// Fills pack_of_replica_. A pack's key is (load, number) in one word, so the least loaded pack is
/// the root of a tree of minima; a full pack has the largest key.
template <class Word>
void BalancedPacking::pack(std::size_t packs, std::int32_t capacity,
                           const std::vector<Word>& weights, std::vector<Word>& tree) {
  expand_order(weights);
  const std::size_t leaves = std::bit_ceil(packs);
  const int digits = std::countr_zero(leaves);
  const Word number = static_cast<Word>(leaves - 1);
  const Word full = ~static_cast<Word>(0);
  tree.resize(2 * leaves);
  for (std::size_t p = 0; p < leaves; ++p) {
    tree[leaves + p] = p < packs ? static_cast<Word>(p) : full;
  }
  bool built = false;
  std::size_t opened = 0;  // while the tree is not built: the first packs hold one replica each
  const auto build = [&] {
    for (std::size_t at = leaves; at-- > 1;) tree[at] = std::min(tree[2 * at], tree[2 * at + 1]);
    built = true;
  };
  used_.assign(packs, 0);
  for (const std::int32_t position : sequence_) {
    const auto i = static_cast<std::size_t>(position);
    const Word added = weights[i] << digits;
    const auto replica = static_cast<std::size_t>(next_replica_[i]++);
    if (!built) {
      if (opened < packs && added > 0) {  // an empty pack is the least loaded
        pack_of_replica_[replica] = static_cast<std::int32_t>(opened);
        used_[opened] = 1;
        tree[leaves + opened] += added;
        ++opened;
        continue;
      }
      build();
    }
    const Word least = tree[1];
    const auto p = static_cast<std::size_t>(least & number);
    pack_of_replica_[replica] = static_cast<std::int32_t>(p);
    std::size_t at = leaves + p;
    Word key = ++used_[p] == capacity ? full : least + added;
    tree[at] = key;
    for (; at > 1; at >>= 1) {
      key = std::min(key, tree[at ^ 1]);
      tree[at >> 1] = key;
    }
  }
}

void BalancedPacking::run(std::span<const std::int32_t> experts,
                          std::span<const std::int32_t> replicas,
                          std::span<const std::int64_t> loads, std::int64_t packs,
                          std::int64_t capacity, std::span<std::int32_t> rows) {
  const std::size_t n = experts.size();
  const auto room = static_cast<std::size_t>(capacity);
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
  pack_of_replica_.resize(static_cast<std::size_t>(sum));
  std::fill(rows.begin(), rows.end(), kVacant);
  if (n == 0) return;
  if (capacity == 1) {
    std::size_t next = n;
    for (std::size_t i = 0; i < n; ++i) {
      rows[i] = experts[i];
      for (std::int32_t more = counts_[i]; more > 1; --more) rows[next++] = experts[i];
    }
    return;
  }

  const auto pack_count = static_cast<std::size_t>(packs);
  const auto in_pack = static_cast<std::int32_t>(capacity);
  const auto digits = static_cast<int>(
      std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(total, sum))));
  if (digits + kWeightDigits + static_cast<int>(std::bit_width(pack_count)) < 63) {
    weigh(experts, counts_, loads, total == 0, weights_);
    order_by_weight();
    pack(pack_count, in_pack, weights_, tree_);
  } else {
    std::vector<UInt128> weights;
    std::vector<UInt128> tree;
    weigh(experts, counts_, loads, total == 0, weights);
    order_.resize(n);
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
      return weights[static_cast<std::size_t>(a)] > weights[static_cast<std::size_t>(b)];
    });
    pack(pack_count, in_pack, weights, tree);
  }

  std::fill(used_.begin(), used_.end(), 0);
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
