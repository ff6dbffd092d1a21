#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/block_flow.h"
#include "sim/placement/core_family.h"

namespace bethany {

/// Room for one expert each on every node of some blocks.
struct LaneClass {
  std::vector<std::int32_t> blocks;  // ascending
  std::int32_t nodes = 0;            // of those blocks
  std::int32_t count = 0;            // lanes
  bool core = false;                 // its nodes contain a set of the family
};

/// The nodes of a layer as lanes that experts are assigned to. Blocks are nodes that host the same
/// experts; every node is in one.
struct LaneLayout {
  std::vector<HostSet> nodes_of_block;
  std::vector<LaneClass> classes;  // the core ones first

  std::vector<std::int32_t> block_sizes() const;
};

/// The lanes of a family, and lanes of one block each for the slots that it leaves over.
LaneLayout lanes_of_family(int nodes, int slots, const CoreFamily& family);

/// The lanes of a family of which lanes_taken[i] of the i-th are in use; every other slot is a lane
/// of its node alone.
LaneLayout lanes_of_nodes(int nodes, int slots, const CoreFamily& family,
                          std::span<const std::int32_t> lanes_taken);

/// One layer's experts on the lanes, and how evenly the nodes can then compute its tokens.
class LaneBoard {
 public:
  /// `loads` sum to 1 .. BlockFlow::kMostTokens - 1. The layout outlives the board.
  LaneBoard(const LaneLayout& layout, std::span<const std::int64_t> loads);

  void clear();
  /// What another board of the same layout and loads holds.
  void copy(const LaneBoard& other);
  /// Requires: a free lane of the class, none of whose blocks the expert is on.
  void put(std::int32_t expert, std::int32_t lane_class);
  void take(std::int32_t expert, std::int32_t lane_class);
  std::int32_t free_lanes(std::int32_t lane_class) const {
    return free_[static_cast<std::size_t>(lane_class)];
  }
  /// Whether the expert is on a node of the class.
  bool touches(std::int32_t expert, std::int32_t lane_class) const;
  const std::vector<std::int32_t>& lanes_of(std::int32_t expert) const {
    return lanes_of_expert_[static_cast<std::size_t>(expert)];
  }

  /// At least `least`: the least possible load of the most loaded node (block_flow.h).
  NodeLoad maximum(NodeLoad least, NodeLoad limit);

  /// Exchanges lanes of two experts, or an expert's lane for a free one, as long as the maximum
  /// falls, until it is at most `enough` or `evaluations` are used up. An exchange never changes
  /// how many nodes an expert is on when `same_sizes`, and leaves every expert a core lane.
  NodeLoad descend(NodeLoad enough, NodeLoad start, bool same_sizes, int& evaluations);

  /// Experts, blocks and edges of the flow: what one evaluation costs.
  std::int64_t size() const;

 private:
  struct Exchange {
    std::int32_t expert, from;  // in the way, with its lane
    std::int32_t other, to;     // the expert outside (-1: a free lane), with its lane
    std::int64_t score;         // how far from lifting the excess exactly
  };

  void find_exchanges(NodeLoad current, NodeLoad enough, bool same_sizes);
  bool allowed(const Exchange& exchange, bool same_sizes) const;
  bool keeps_core(std::int32_t expert, std::int32_t from, std::int32_t to) const;
  /// The only block of an expert, or -1.
  std::int32_t only_block(std::int32_t expert) const;
  void count_fixed(std::int32_t expert, int sign);
  void apply(const Exchange& exchange);
  void revert(const Exchange& exchange);

  const LaneLayout& layout_;
  std::span<const std::int64_t> loads_;
  BlockFlow flow_;
  std::vector<std::int32_t> free_;
  std::vector<std::vector<std::int32_t>> lanes_of_expert_;
  std::vector<std::int64_t> fixed_;   // by block: tokens of experts on no other block
  std::vector<std::int32_t> blocks_;  // of one expert, while a question is put
  std::vector<Exchange> exchanges_;
};

}  // namespace bethany
