#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/ids.h"
#include "sim/placement/binding.h"
#include "sim/training/job.h"

namespace bethany {

/// The state of an expert, or a piece of the dense state (expert -1), that a machine fetches.
struct Fetch {
  int from_place = 0;  // of the configuration before
  NodeId to;
  int layer = -1;
  int expert = -1;
  std::int64_t bytes = 0;
};

/// Members, the plan they follow and who holds which place of it.
struct Configuration {
  int nodes = 0;
  std::shared_ptr<const PlacementPlan> plan;  // null when nothing looks at plans
  std::vector<NodeId> machine_of_place;       // empty without a plan
  TransferSummary transfer;                   // what making it moved
  std::vector<Fetch> fetches;                 // the same one by one; with real machines only
};

/// Whether every machine has the same replicas on the same GPUs in both. Copies of an expert that a
/// machine holds already are no transfer, but they change how tokens are split. Requires: plans of
/// the same model and machines.
bool same_placement(const Configuration& a, const Configuration& b);

/// A member that works at less than its full speed.
struct SlowPlace {
  int place = 0;  // of the configuration; any where nothing looks at plans
  double speed = 1;
  bool operator==(const SlowPlace&) const = default;
};

/// Sizes of what the job of a scenario moves and stores.
StateSizes state_sizes(const Scenario& scenario);

/// Makes configurations for a job and answers what they cost: the place where policy parts, the
/// planner library and the step timer meet.
class Planner {
 public:
  /// `input` outlives the planner.
  explicit Planner(const JobInput& input);
  explicit Planner(JobInput&&) = delete;

  /// Why no run exists at all; empty when the cluster is large enough.
  std::optional<std::string> infeasible() const;
  /// Whether anything looks at plans. If not, configurations have none and cost O(1).
  bool makes_plans() const { return makes_plans_; }
  int minimum_nodes() const { return minimum_nodes_; }
  int usable_nodes(int nodes) const;

  /// The configuration of `machines` (ascending ids) after `committed` steps. Machines whose place
  /// in `before` is given keep that place's state; with no `before` nothing is fetched. Places
  /// beyond those of `machines` are of live machines that only send.
  std::variant<Configuration, Infeasible> make(const std::vector<NodeId>& machines,
                                               std::int64_t committed, const PlacementPlan* before,
                                               const std::vector<int>& place_of_machine);
  Configuration without_plan(int nodes) const;

  /// How many plans drew random numbers so far: the next such plan differs from the last.
  std::uint64_t random_decisions() const { return draws_random_ ? decisions_ : 0; }

  /// Whether a new plan would come out as the one made after `earlier` steps, without making it.
  bool same_plan(std::int64_t earlier, std::int64_t later) const;

  /// Duration of the step with that counter when these members are slow.
  Duration step_time(const Configuration& configuration, std::int64_t committed,
                     std::vector<SlowPlace> slow);
  /// The same with its terms, worked out anew.
  CostBreakdown step_cost(const Configuration& configuration, std::int64_t committed,
                          const std::vector<SlowPlace>& slow);
  /// What the last step_cost() made of the routing load: samples of each rank in one micro-batch
  /// and the traffic of each layer. Empty when nothing looks at traffic.
  const std::vector<std::int64_t>& samples_of_rank() const { return samples_; }
  std::span<const LayerTraffic> traffic() const;
  std::int64_t samples_per_step(int nodes) const;
  Duration checkpoint_write(int nodes) const;
  Duration load(const Configuration& configuration) const;

 private:
  using MadePlan = std::variant<std::shared_ptr<const PlacementPlan>, Infeasible>;

  PlacementShape shape(int nodes) const;
  MadePlan plan_for(const PlacementShape& shape, std::int64_t committed);
  std::optional<std::int64_t> remembered_entry(std::int64_t committed) const;
  /// Of the configuration's plan under an entry of the routing load; rows_ is filled in.
  const std::vector<LayerTraffic>& work_out_traffic(const Configuration& configuration,
                                                    std::int64_t entry);

  const JobInput& input_;
  bool makes_plans_;
  bool draws_random_;
  bool looks_back_;    // a part makes its plan from the one in force
  bool keeps_places_;  // the placement does: place i of its plan is meant for machine i
  bool uses_domains_;  // the placement does, and domains are known
  int minimum_nodes_;
  StateSizes sizes_;
  std::vector<std::int32_t> domain_of_node_;  // by NodeId; empty unless uses_domains_
  std::uint64_t decisions_ = 0;
  /// The newest plans, newest first: a job comes back to the same node counts, and while the load
  /// stands still to the same plans.
  struct KnownPlan {
    int nodes = 0;
    std::int64_t committed = 0;
    std::vector<std::int32_t> domain_of_node;
    std::shared_ptr<const PlacementPlan> plan;
  };
  static constexpr std::size_t kKnownPlans = 16;
  std::deque<KnownPlan> known_plans_;
  /// The newest answers of step_time, newest first. Holding a plan keeps its address from being
  /// used again.
  struct KnownStep {
    int nodes = 0;
    std::shared_ptr<const PlacementPlan> plan;
    std::size_t entry = 0;  // of the routing load; not looked at when the timer looks at no traffic
    std::vector<SlowPlace> slow;  // by place; when the timer looks at no traffic, the slowest
    Duration time{0};
  };
  static constexpr std::size_t kKnownSteps = 16;
  std::deque<KnownStep> known_steps_;
  std::vector<std::int64_t> samples_;
  std::vector<std::int64_t> rows_;
  std::vector<double> speeds_;
  std::vector<LayerTraffic> traffic_;
  std::shared_ptr<const std::vector<LayerTraffic>> remembered_traffic_;
};

}  // namespace bethany
