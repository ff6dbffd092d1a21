#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "gpu/elastic/migration.h"
#include "gpu/layer/stack.h"
#include "sim/training/machines.h"

namespace bethany {

/// The bytes that the ranks of a run need at most, from what the simulator decides alone
/// (gpu/layer/memory.h).
class MemoryForecast {
 public:
  explicit MemoryForecast(const StackShape& shape) : shape_(shape) {}

  /// A step that every rank went through, if only to be undone.
  void step(const StepWork& work);
  /// State was moved: until the change is complete ranks hold the old beside the new.
  void transfer(const Configuration& before, const Configuration& after);
  /// Ranks that come there later begin with nothing.
  void lose(std::span<const NodeId> nodes);
  void lose_all() { ranks_.clear(); }

  /// Of the fullest rank so far; 0 before the first step.
  std::int64_t most() const { return most_; }

 private:
  /// What a rank's arrays have grown to.
  struct Grown {
    std::int64_t samples = 0;
    std::vector<std::int64_t> rows;  // computed, by layer
    std::vector<std::int64_t> sent;
    int ranks = 0;  // of the largest configuration
  };

  void note(const Grown& grown, std::int64_t held_experts, std::int64_t staged);

  StackShape shape_;
  std::map<std::pair<NodeId, int>, Grown> ranks_;  // by machine and GPU
  std::int64_t most_ = 0;
};

}  // namespace bethany
