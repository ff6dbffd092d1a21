#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sim/model/plan.h"

namespace bethany {

/// Which places (nodes or GPUs) can compute each expert of a layer: expert e on
/// place[first[e]] … place[first[e + 1] - 1], ascending, each once.
struct HostLists {
  int places = 0;
  std::vector<std::int32_t> first;  // experts + 1 offsets
  std::vector<std::int32_t> place;

  int experts() const { return static_cast<int>(first.size()) - 1; }
  std::span<const std::int32_t> of(int expert) const {
    const auto e = static_cast<std::size_t>(expert);
    return {place.data() + first[e], place.data() + first[e + 1]};
  }
};

/// The places that host each expert when a layer's slots are dealt out in order to `places` places,
/// equally many each. Requires: the slots are a multiple of the places.
HostLists hosts_of(const LayerPlan& plan, int experts, int places);
/// The GPUs (ranks) that host each expert of a layer.
HostLists hosts_by_rank(const PlacementPlan& plan, int layer);
/// The nodes that host each expert of a layer.
HostLists hosts_by_node(const PlacementPlan& plan, int layer);

/// The least possible load of the most loaded place when every expert's tokens may be split over
/// its hosts at will: max over expert sets S of t(S) / |hosts(S)| (max-flow = min-cut, placement.md
/// §5.1), as the exact fraction load / places of a set that attains it. 0 / 1 without tokens.
struct Makespan {
  std::int64_t load = 0;              // t(S)
  std::int64_t places = 1;            // |hosts(S)|
  std::vector<std::int32_t> experts;  // S, ascending; the bottleneck

  double value() const { return static_cast<double>(load) / static_cast<double>(places); }
};

/// Requires: a host for every expert with tokens; loads from 0, their sum below 2^62.
Makespan min_makespan(const HostLists& hosts, std::span<const std::int64_t> loads);

/// The same for many questions in turn, without allocating anew. Not for two threads at once.
class MakespanSolver {
 public:
  MakespanSolver();
  MakespanSolver(MakespanSolver&&) noexcept;
  MakespanSolver& operator=(MakespanSolver&&) noexcept;
  ~MakespanSolver();

  /// As min_makespan().
  Makespan solve(const HostLists& hosts, std::span<const std::int64_t> loads);
  /// The same where it is below `limit`, otherwise empty, mostly much sooner: for a search that
  /// keeps improvements only. The experts of `limit` are tried first; give it the makespan before
  /// the change.
  std::optional<Makespan> solve_below(const HostLists& hosts, std::span<const std::int64_t> loads,
                                      const Makespan& limit);
  /// The same when tokens are not cut: the makespan rounded up. Supplies and capacities are then
  /// whole, so a maximum flow in whole tokens exists; and no whole number below it is enough.
  std::int64_t solve_whole(const HostLists& hosts, std::span<const std::int64_t> loads);

 private:
  class Flows;
  std::unique_ptr<Flows> flows_;
};

}  // namespace bethany
