#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "sim/base/int128.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The slots of one layer, GPU after GPU, while replicas are put into them and taken out; keeps the
/// load of every GPU under an even split (in the units of replica_weights()).
class DeviceRows {
 public:
  /// Rows as a plan has them; weights by expert.
  DeviceRows(const PlacementShape& shape, std::vector<std::int32_t> rows,
             std::vector<Int128> weights);

  int nodes() const { return nodes_; }
  int gpus() const { return static_cast<int>(load_.size()); }
  int node_of(int gpu) const { return gpu / gpus_per_node_; }
  bool has_room(int gpu) const { return used_[index(gpu)] < slots_; }
  Int128 load(int gpu) const { return load_[index(gpu)]; }
  Int128 weight(std::int32_t expert) const { return weights_[index(expert)]; }
  /// All experts by falling weight, ties by id.
  std::vector<std::int32_t> heaviest_first() const;
  Int128 largest_load() const;
  int copies_on_node(int node, std::int32_t expert) const;
  std::span<const std::int32_t> held(int gpu) const;

  void put(int gpu, std::int32_t expert);
  /// Requires: the GPU holds it.
  void take(int gpu, std::int32_t expert);

  /// The GPUs with room as (load, GPU), the least loaded first.
  const std::set<std::pair<Int128, int>>& open() const { return open_; }

  /// The least loaded GPU with room among those that `among` accepts; -1 without one.
  template <class Among>
  int least_loaded(const Among& among) const {
    for (const auto& [load, gpu] : open_) {
      if (among(gpu)) return gpu;
    }
    return -1;
  }

  /// The rows, experts of a GPU ascending, vacant slots last.
  std::vector<std::int32_t> rows() const;

 private:
  static std::size_t index(int value) { return static_cast<std::size_t>(value); }

  int nodes_;
  int gpus_per_node_;
  std::int32_t slots_;              // of a GPU
  std::vector<std::int32_t> rows_;  // used slots of a GPU first
  std::vector<std::int32_t> used_;
  std::vector<Int128> load_;
  std::vector<Int128> weights_;
  std::set<std::pair<Int128, int>> open_;
};

/// LAER-MoE's placement (papers.md §2.1): replicas by load, heaviest first (ties by expert), each
/// to the least loaded GPU with room on the nodes with room that hold fewest copies of its expert.
DeviceRows spread_over_devices(const PlacementShape& shape, std::span<const std::int32_t> replicas,
                               std::span<const std::int64_t> loads);

/// Counts that differ by one at most and sum to `sum`: one more for the experts with most load,
/// ties by id. Requires: sum from 0.
std::vector<std::int32_t> even_counts(std::int64_t sum, std::span<const std::int64_t> loads);

}  // namespace bethany
