#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bethany {

/// A lower bound on the load of the most loaded GPU: tokens that must be computed within a set of
/// GPUs, over the number of those GPUs.
struct GpuLoad {
  std::int64_t tokens = 0;
  std::int64_t gpus = 1;

  bool operator<(const GpuLoad& other) const;
  double value() const { return static_cast<double>(tokens) / static_cast<double>(gpus); }
};

/// The makespan of makespan.h over blocks of GPUs that host the same experts, so that its cost
/// does not depend on the number of GPUs: a maximum flow from experts to blocks (placement.md
/// §5.1). Made once, asked often: it keeps its buffers.
class BlockFlow {
 public:
  /// Loads must sum to less than this.
  static constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;

  explicit BlockFlow(std::vector<std::int32_t> gpus_of_block);

  /// Begins a question: `fixed` are the tokens, by block, of experts that no other block can
  /// compute. The other experts are added one by one, then least_maximum() answers.
  void begin(const std::vector<std::int64_t>& fixed);
  /// An expert that each of the blocks can compute: at least two, each once.
  void add(std::int64_t tokens, std::span<const std::int32_t> blocks);

  /// The larger of `least` and the least possible load of the most loaded GPU. Stops early with
  /// what is then known to be a lower bound as soon as that is not below `limit`.
  GpuLoad least_maximum(GpuLoad least, GpuLoad limit);
  /// After least_maximum() above its `least`: whether the block belongs to the set of GPUs that
  /// attains it. The experts hosted inside those blocks alone are the ones in the way.
  bool in_bottleneck(std::int32_t block) const {
    return inside_[static_cast<std::size_t>(block)] != 0;
  }

 private:
  void raise(GpuLoad to);
  void fill();
  void transpose();
  bool find_levels();
  std::int64_t push(std::int32_t expert, std::int64_t amount);
  std::int64_t reroute(std::int32_t block, std::int64_t amount);
  void raise_by_cut();
  std::int64_t room(std::size_t block) const { return capacity_[block] - load_[block]; }

  std::vector<std::int32_t> gpus_;
  std::vector<std::int64_t> fixed_;   // by block: tokens of experts without a choice
  std::vector<std::int64_t> tokens_;  // by expert with a choice
  std::vector<std::int32_t> first_;   // and its edges
  std::vector<std::int32_t> block_;   // by edge
  GpuLoad bound_;
  std::vector<std::int64_t> capacity_;  // by block, in parts of a token, rounded up
  std::vector<char> inside_;
  std::vector<std::int64_t> load_, flow_, excess_;
  std::int64_t all_excess_ = 0;
  std::vector<std::int32_t> expert_of_, first_at_, edge_at_;
  std::vector<std::int32_t> expert_level_, block_level_, expert_next_, block_next_, queue_;
};

}  // namespace bethany
