#pragma once

#include <cstdint>
#include <map>
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
  int losses_max = 8;     // an objective looks at losses of up to so many nodes
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
  /// Loss probability of each node, independent; not empty: nodes take the places in which the plan
  /// is lost least often (rate_order.h).
  std::vector<double> rates;
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
  /// With rates: recovery with the nodes in these places, and as the parts numbered them.
  std::optional<RatedRecovery> recovery_by_rates;
  std::optional<RatedRecovery> recovery_unordered;
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

/// How `recover` finds probabilities: exact where that can be afforded and else sampled, or as
/// said.
enum class RecoverMethod { automatic, exact, monte_carlo, importance_sampling };

/// What `recover` is asked: the plan, and which losses to expect. By default the numbers of lost
/// nodes, ends included, all sets of so many nodes alike.
struct RecoverRequest {
  PlacementPlan plan;
  int failed_first = 1;
  int failed_last = 1;
  bool per_layer = false;
  bool importance = false;
  std::vector<double> rates;        // not empty: loss probability of each node, independent
  std::vector<PlanDomain> domains;  // not empty: also losses of whole outermost domains
  std::map<std::int64_t, std::int64_t> bulk_sizes;  // nodes lost at once -> how often
  RecoverMethod method = RecoverMethod::automatic;
  std::int64_t samples = 1'000'000;  // for each probability that is sampled
  std::uint64_t seed = 1;
  std::int64_t exact_work = kExactWork;  // what an exact answer may cost (ExactOptions)
};

/// One probability. Exact ones are their own bounds; those of sampled ones are 95 % intervals.
struct RecoverResult {
  int failed = 0;  // nodes or domains lost; 0 with rates
  double probability = 0;
  double low = 0;
  double high = 0;
  double loss = 0;  // 1 - probability, known where that rounds to 1
  double loss_low = 0;
  double loss_high = 0;
  std::string method;  // "exact", "monte-carlo", "importance-sampling"
  std::optional<std::int64_t> samples;
  std::vector<double> importance;  // Birnbaum's, by node; empty: not asked for or not known
};

/// What one layer or all together survive.
struct RecoverCurve {
  int guaranteed_losses = 0;           // most nodes any of which may be lost
  std::vector<int> witness;            // a smallest fatal set
  std::vector<RecoverResult> results;  // by number of losses; one with rates
};

/// The same in whole domains. `witness` is empty when losing all domains is survived.
struct DomainRecovery {
  int guaranteed_losses = 0;
  std::vector<std::string> witness;
  std::vector<RecoverResult> results;  // by number of domains lost, up to all
};

struct RecoverAnswer {
  RecoverRequest request;
  RecoverCurve joint;                   // all layers recover
  std::vector<RecoverCurve> per_layer;  // empty unless asked for
  std::optional<DomainRecovery> domains;
  /// Given a loss, of as many nodes as losses have: the mean over bulk_sizes. More than all nodes
  /// count as all.
  std::optional<RecoverResult> bulk;
};

/// Infeasible only when an exact answer is asked for and cannot be afforded (recovery.h).
/// Throws InputError unless 0 <= failed_first <= failed_last <= nodes, samples > 0 and there are as
/// many rates as nodes, all in 0..1.
std::variant<RecoverAnswer, Infeasible> answer_recover(const RecoverRequest& request);

/// The object that `recover` prints: schema bethany/recover/1.
JsonNode recover_json(const RecoverAnswer& answer);

}  // namespace bethany
