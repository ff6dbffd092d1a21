#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/error.h"
#include "sim/model/plan.h"
#include "sim/placement/parts.h"

namespace bethany {

/// What plans are compared for.
struct ObjectiveRequest {
  PlacementShape shape;
  LoadMatrix loads;        // a row for each layer
  std::string allocation;  // empty: any; else only plans of this allocation
  std::string placement;   // empty: any; else only plans of this placement
  int k_max = 8;           // losses 1..min(k_max, nodes) are looked at
  bool dominated = false;  // frontier(): also the candidates that another one beats, marked
  std::uint64_t seed = 1;  // of placements that draw
};

/// A plan with what it gives and what it costs.
struct FrontierPlan {
  std::string allocation;
  std::string placement;
  /// The core family with its options, "3+3+4" or "3+3+4, dropped"; empty for other placements.
  std::string family;
  PlacementPlan plan;
  /// max/mean over GPUs under the min-makespan split, by layer.
  std::vector<double> max_over_mean;
  double worst_max_over_mean = 1;
  double mean_max_over_mean = 1;
  /// P(all layers recover | k nodes lost), k = 0..min(k_max, nodes).
  std::vector<double> recovery;
  /// Gradient traffic of the busiest node in expert sizes (plan_costs.h), summed over the layers:
  /// times the gradient bytes of an expert it is bytes sent, and as many received.
  double gradient_traffic = 0;
  /// Rows that cross nodes over rows computed, over all layers, with equally many rows from every
  /// rank, under the min-makespan split with the least of them.
  double off_node_share = 0;
  bool dominated = false;
};

/// Balances closer than this count as equal when plans are compared.
constexpr double kEqualBalance = 1e-3;

/// The plans of which no other is at least as good in worst max/mean (to kEqualBalance), in
/// P(recover | k) at every k and in gradient traffic, and better in one; most balanced first, then
/// best recovery. Of equal plans the first in the order of candidates. Plans whose exact recovery
/// is not affordable are left out. Candidates: core families, with and without dropped hosts, and
/// the registered placements `mro`, `mro+`, `spread`, `packed` on the allocations they go with.
/// Infeasible, with the reason, when no candidate can be made.
/// Throws InputError when a given name is unknown.
std::variant<std::vector<FrontierPlan>, Infeasible> frontier(const ObjectiveRequest& request);

enum class Objective { recovery, balance };

/// The plan of the frontier that survives most (compared from one loss on), ties to the better
/// balance, then less traffic; or the most balanced one, ties (to kEqualBalance) to the one that
/// survives most, then less traffic.
std::variant<FrontierPlan, Infeasible> choose_plan(Objective objective,
                                                   const ObjectiveRequest& request);

}  // namespace bethany
