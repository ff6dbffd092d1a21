#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/parts.h"

namespace bethany {

/// EPLB's balanced packing (papers.md §2.1): replicas by load per replica, heaviest first, each
/// into the least loaded pack with room, ties by number. Replicas of equal load come as EPLB
/// numbers them: the first ones by expert, then the others in the order of replication
/// (GreedyCounts). With room for one replica a pack nothing can be balanced: the first replica of
/// each expert in order, then the others. The load of a replica is rounded down to 2^-16; without
/// any load all experts have the same. Keeps its memory between runs.
class BalancedPacking {
 public:
  /// Packs `replicas[e]` replicas of each of `experts` (ascending) into packs of `capacity`:
  /// rows[p · capacity …] are the experts of pack p, ascending, then kVacant.
  /// Requires: replicas at least 1, together at most packs · capacity; loads below 2^62 together.
  void run(std::span<const std::int32_t> experts, std::span<const std::int32_t> replicas,
           std::span<const std::int64_t> loads, std::int64_t packs, std::int64_t capacity,
           std::span<std::int32_t> rows);
  /// The same for all experts: replicas and loads have one entry each.
  void run(std::span<const std::int32_t> replicas, std::span<const std::int64_t> loads,
           std::int64_t packs, std::int64_t capacity, std::span<std::int32_t> rows);

 private:
  /// Load of one replica of an expert, by its position in `experts`.
  template <class Word>
  struct Item {
    Word weight;
    std::int32_t position;
  };
  template <class Word>
  struct Replica {
    Word weight;
    std::int32_t number;  // by position of the expert, then one by one
  };

  void number_replicas(std::span<const std::int32_t> experts,
                       std::span<const std::int32_t> replicas, std::size_t slots);
  void order_items();
  template <class Word>
  void expand(const std::vector<Item<Word>>& items, std::vector<Replica<Word>>& replicas) const;
  template <class Word>
  void order_ties(std::vector<Replica<Word>>& replicas) const;
  template <class Word>
  void pack(const std::vector<Replica<Word>>& replicas, std::size_t packs, std::int32_t capacity,
            std::vector<Word>& tree);

  std::vector<std::int32_t> first_of_;   // of each position: its first replica; the end
  std::vector<std::int32_t> expert_of_;  // of each replica
  std::vector<std::int32_t> pack_of_;    // of each replica
  std::vector<std::int32_t> used_;       // slots of each pack
  std::vector<Item<std::uint64_t>> items_;
  std::vector<Item<std::uint64_t>> spare_;  // of the sort
  std::vector<std::uint32_t> ranks_;        // of the sort, by position
  std::vector<std::int32_t> half_sorted_;   // of the sort: positions
  std::vector<Replica<std::uint64_t>> replicas_;
  std::vector<std::uint64_t> tree_;  // the least (load, pack) of each subtree, the root at 1
  std::vector<std::int32_t> all_experts_;
};

/// Reason why shape.expert_groups cannot be formed; empty when it is 0 or divides the experts.
std::optional<Infeasible> refuse_expert_groups(const PlacementShape& shape);

/// The experts of each node, ascending, when expert groups are packed onto nodes by their load
/// (hierarchical EPLB); empty when there are no groups or the nodes do not divide them, which EPLB
/// answers by packing globally.
std::vector<std::vector<std::int32_t>> experts_of_nodes(const PlacementShape& shape,
                                                        std::span<const std::int64_t> loads,
                                                        BalancedPacking& packing);

}  // namespace bethany
