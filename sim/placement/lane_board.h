#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/block_flow.h"
#include "sim/placement/core_family.h"
#include "sim/placement/parts.h"

namespace bethany {

/// GPUs by rank, ascending.
using GpuSet = std::vector<std::int32_t>;

/// Room for `count` experts on every GPU of a set.
struct GpuLanes {
  GpuSet gpus;
  std::int32_t count = 0;
};

/// Room for one expert each on every GPU of some blocks.
struct LaneClass {
  std::vector<std::int32_t> blocks;  // ascending
  std::int32_t gpus = 0;             // of those blocks
  std::int32_t count = 0;            // lanes
  bool core = false;                 // its nodes contain a set of the family
};

/// The GPUs of a layer as lanes that experts are assigned to. Blocks are GPUs that host the same
/// experts; every GPU is in one.
struct LaneLayout {
  std::vector<GpuSet> gpus_of_block;
  std::vector<LaneClass> classes;  // the core ones first

  std::vector<std::int32_t> block_sizes() const;
};

/// The lanes of a family on GPUs: the same GPU of every node of a set is a lane, as often as it has
/// slots (or, for nodes of one GPU, as the family says). So an expert on several GPUs of a node may
/// have several lanes of one set. Requires: one GPU per node, or a family of disjoint sets.
std::vector<GpuLanes> gpu_lanes(const PlacementShape& shape, const CoreFamily& family);

/// The lanes, and lanes of one block each for the slots that they leave over.
LaneLayout lanes_in_blocks(const PlacementShape& shape, std::span<const GpuLanes> lanes);

/// Of the i-th lanes taken[i] are in use; every other slot is a lane of its GPU alone.
LaneLayout lanes_in_use(const PlacementShape& shape, std::span<const GpuLanes> lanes,
                        std::span<const std::int32_t> taken);

/// One layer's experts on the lanes, and how evenly the GPUs can then compute its tokens.
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
  /// Whether the expert is on a GPU of the class.
  bool touches(std::int32_t expert, std::int32_t lane_class) const;
  const std::vector<std::int32_t>& lanes_of(std::int32_t expert) const {
    return lanes_of_expert_[static_cast<std::size_t>(expert)];
  }

  /// At least `least`: the least possible load of the most loaded GPU (block_flow.h).
  GpuLoad maximum(GpuLoad least, GpuLoad limit);

  /// Exchanges lanes of two experts, or an expert's lane for a free one, as long as the maximum
  /// falls, until it is at most `enough` or `evaluations` are used up. An exchange never changes
  /// how many GPUs an expert is on when `same_sizes`, and leaves every expert a core lane.
  GpuLoad descend(GpuLoad enough, GpuLoad start, bool same_sizes, int& evaluations);

  /// Experts, blocks and edges of the flow: what one evaluation costs.
  std::int64_t size() const;

 private:
  struct Exchange {
    std::int32_t expert, from;  // in the way, with its lane
    std::int32_t other, to;     // the expert outside (-1: a free lane), with its lane
    std::int64_t score;         // how far from lifting the excess exactly
  };

  void find_exchanges(GpuLoad current, GpuLoad enough, bool same_sizes);
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
