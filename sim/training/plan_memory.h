#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "sim/model/plan.h"
#include "sim/model/traffic.h"

namespace bethany {

/// Plans, and the traffic under them, that earlier runs worked out: for runs with the same routing
/// load, model, batch, node type, slots and the same allocation, placement and dispatch. Results do
/// not depend on what it holds. It stops taking at a fixed number of bytes. For several threads.
class PlanMemory {
 public:
  using Plan = std::shared_ptr<const PlacementPlan>;
  using Traffic = std::shared_ptr<const std::vector<LayerTraffic>>;

  /// For a number of nodes where the observed load is that of one entry of the routing load (-1:
  /// the uniform one before the first step). Null when it is not known.
  Plan plan(int nodes, std::int64_t entry) const;
  void keep_plan(int nodes, std::int64_t entry, const Plan& plan);
  /// Under a plan of this memory in an entry of the routing load. Null when it is not known.
  Traffic traffic(const Plan& plan, std::int64_t entry) const;
  void keep_traffic(const Plan& plan, std::int64_t entry, const Traffic& traffic);

 private:
  bool has_room(std::size_t bytes);

  static constexpr std::size_t kMostBytes = 4 << 20;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::map<std::pair<int, std::int64_t>, Plan> plans_;
  std::set<const PlacementPlan*> kept_;
  std::map<std::pair<const PlacementPlan*, std::int64_t>, Traffic> traffic_;
};

}  // namespace bethany
