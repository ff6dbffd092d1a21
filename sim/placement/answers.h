#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/model/plan.h"
#include "sim/model/plan_file.h"
#include "sim/placement/objectives.h"
#include "sim/placement/optimality.h"
#include "sim/placement/parts.h"
#include "sim/placement/reconfiguration.h"
#include "sim/placement/recovery.h"

namespace bethany {

/// What `place` is asked (DESIGN §7). Loads, replicas or both are given, a row for each layer.
struct PlaceRequest {
  int nodes = 0;
  int slots_per_node = 0;
  int gpus_per_node = 1;
  LoadMatrix loads;                                 // no layers: not given
  std::vector<std::vector<std::int32_t>> replicas;  // empty: the allocation decides
  std::string objective;  // recovery, balance or frontier; empty: the parts decide
  // Empty: `core` where placement is core, else proportional; mro; even. With an objective: it
  // chooses, and the dispatch is min-makespan.
  std::string allocation;
  std::string placement;
  std::string dispatch;
  LayerOrder layer_order = LayerOrder::aligned;
  int fault_threshold = 2;
  int expert_groups = 0;                // 0: none; divides the experts
  std::vector<PlanDomain> domains;      // of nodes 0..nodes-1; none: not known
  std::optional<ChangeRequest> change;  // the plan to come from
  std::optional<std::int64_t> expert_gradient_bytes;
  std::uint64_t seed = 1;
};

struct PlaceAnswer {
  PlaceRequest request;  // with every part named
  PlacementPlan plan;
  std::optional<int> fault_threshold_effective;  // empty when replicas were given
  /// Of each layer: max/mean over GPUs of the tokens under the dispatcher; empty without loads.
  std::vector<std::optional<double>> max_over_mean;
  /// Of each layer the tokens that each GPU computes under the dispatcher, as shares of all; empty
  /// without loads.
  std::vector<std::vector<double>> gpu_share;
  /// Of each layer: what is known of its survival beside other placements of its counts.
  std::vector<Optimality> optimal;
  /// Of each layer: rows that cross nodes over all (empty without loads), and the busiest node's
  /// gradient traffic in expert sizes (plan_costs.h).
  std::vector<std::optional<double>> off_node_share;
  std::vector<double> gradient_traffic;
  std::string core_family;                         // of a plan that an objective chose
  std::optional<Reconfiguration> reconfiguration;  // as asked for
};

/// Throws InputError when a value is out of range, a name is unknown (naming the nearest), or rows
/// differ in length.
std::variant<PlaceAnswer, Infeasible> answer_place(const PlaceRequest& request);

/// The object that `place` prints: schema bethany/place/1. One layer stands at the top level,
/// several in `layers`.
JsonNode place_json(const PlaceAnswer& answer);

/// The plans not dominated in balance, recovery and traffic (objectives.h). Throws InputError as
/// answer_place().
std::variant<std::vector<FrontierPlan>, Infeasible> answer_frontier(const PlaceRequest& request);

/// The object that `place --objective frontier` prints: schema bethany/place/1, `plans`.
JsonNode frontier_json(const PlaceRequest& request, const std::vector<FrontierPlan>& plans);

/// What `recover` is asked: the plan and the numbers of lost nodes, ends included.
struct RecoverRequest {
  PlacementPlan plan;
  int failed_first = 1;
  int failed_last = 1;
  bool per_layer = false;
};

struct RecoverAnswer {
  RecoverRequest request;
  RecoveryCurve joint;                   // all layers recover; index: lost nodes
  std::vector<RecoveryCurve> per_layer;  // empty unless asked for
};

/// Infeasible when the exact curve is not affordable (recovery.h).
/// Throws InputError unless 0 <= failed_first <= failed_last <= nodes.
std::variant<RecoverAnswer, Infeasible> answer_recover(const RecoverRequest& request);

/// The object that `recover` prints: schema bethany/recover/1.
JsonNode recover_json(const RecoverAnswer& answer);

}  // namespace bethany
