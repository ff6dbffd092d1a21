#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/base/random.h"
#include "sim/base/registry.h"

namespace bethany {

/// The sum of one layer's shares in a RoutingLoad: they are parts of this whole number.
constexpr std::int64_t kLoadTotal = std::int64_t{1} << 32;

/// How many committed steps a policy looks back (DESIGN §4.3).
constexpr std::int64_t kObservedSteps = 50;

/// Loads of all experts of all MoE layers: [layer][expert], not negative.
struct LoadMatrix {
  int layers = 0;
  int experts = 0;
  std::vector<std::int64_t> values;

  LoadMatrix() = default;
  LoadMatrix(int layer_count, int expert_count)
      : layers(layer_count),
        experts(expert_count),
        values(static_cast<std::size_t>(layer_count) * static_cast<std::size_t>(expert_count)) {}

  std::span<const std::int64_t> row(int layer) const {
    return {values.data() + static_cast<std::size_t>(layer) * static_cast<std::size_t>(experts),
            static_cast<std::size_t>(experts)};
  }
  std::span<std::int64_t> row(int layer) {
    return {values.data() + static_cast<std::size_t>(layer) * static_cast<std::size_t>(experts),
            static_cast<std::size_t>(experts)};
  }
  friend bool operator==(const LoadMatrix&, const LoadMatrix&) = default;
};

/// The distribution of tokens over the experts of each MoE layer, by step. Piecewise constant: an
/// entry holds from its step on; the last one holds for ever. The first entry is of step 0.
class RoutingLoad {
 public:
  struct Entry {
    std::int64_t step = 0;
    LoadMatrix shares;  // each layer sums to kLoadTotal
  };

  /// Scales every layer of every entry to kLoadTotal by largest remainder (ties: lowest expert).
  /// Requires: at least one entry, the first of step 0, steps strictly rising, equal shapes, no
  /// negative value, no layer without any load, layer sums below 2^62.
  RoutingLoad(int top_k, std::vector<Entry> entries);

  int layers() const { return entries_.front().shares.layers; }
  int experts() const { return entries_.front().shares.experts; }
  int top_k() const { return top_k_; }
  /// The same shares for tokens that go to that many experts.
  RoutingLoad with_top_k(int top_k) const;
  const std::vector<Entry>& entries() const { return entries_; }

  /// The index of the entry in force at a step.
  std::size_t entry_at(std::int64_t step) const;
  const LoadMatrix& shares_at(std::int64_t step) const { return entries_[entry_at(step)].shares; }
  /// The first step after `step` with another entry; INT64_MAX when there is none.
  std::int64_t next_change(std::int64_t step) const;

  /// What a policy sees after `committed` steps: the sum of the shares over the last kObservedSteps
  /// committed steps (fewer at the beginning), scaled to kLoadTotal; uniform before the first.
  LoadMatrix observed(std::int64_t committed) const;
  /// True when observed() is the same for both counters without computing it.
  bool observed_equal(std::int64_t committed_a, std::int64_t committed_b) const;

 private:
  int top_k_;
  std::vector<Entry> entries_;
};

/// What a generator of routing loads needs to know of the model.
struct RoutingShape {
  int layers = 0;
  int experts = 0;
  int top_k = 1;
};

class RoutingGenerator {
 public:
  virtual ~RoutingGenerator() = default;
  virtual RoutingLoad generate(const RoutingShape& shape, const RngStreams& streams) const = 0;
};

Registry<RoutingGenerator>& routing_generators();

/// Splits `total` in proportion to `weights` into whole numbers that sum to `total`: largest
/// remainder, ties to the lowest index. All zero weights: as even as possible, first ones more.
/// Requires: total >= 0, weights not negative, total · max(weight) below 2^126.
void split_by_largest_remainder(std::int64_t total, std::span<const std::int64_t> weights,
                                std::span<std::int64_t> parts);

}  // namespace bethany
