#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/base/error.h"
#include "sim/base/random.h"
#include "sim/base/registry.h"
#include "sim/model/plan.h"
#include "sim/model/routing_load.h"
#include "sim/model/traffic.h"
#include "sim/placement/token_matrix.h"

namespace bethany {

/// The plan in force when a new one is made, for parts that change as little of it as they can.
struct PreviousPlan {
  PlacementPlan plan;
  /// For each node of the new plan, the place of `plan` whose replicas it still holds, or -1.
  std::vector<std::int32_t> place_of;
};

/// What a plan is made for: the same for all layers.
struct PlacementShape {
  int nodes = 0;
  int gpus_per_node = 1;
  int slots_per_gpu = 0;
  int experts = 0;
  int nodes_per_server = 1;  // nodes that share a NIC: EP groups are packed by server
  int fault_threshold = 2;   // f as asked for
  /// Consecutive experts in this many equal groups that hierarchical packing keeps together; 0: no
  /// groups (EPLB, papers.md §2.1).
  int expert_groups = 0;
  /// The failure domain of each node, 0, 1, …; empty: none known.
  std::vector<std::int32_t> domain_of_node;
  /// Null: nothing is in force. Outlives the shape.
  const PreviousPlan* previous = nullptr;

  int slots_per_node() const { return gpus_per_node * slots_per_gpu; }
  std::int64_t slots() const { return std::int64_t{slots_per_node()} * nodes; }
  int ranks() const { return nodes * gpus_per_node; }
  /// f_eff = min(f, floor(N·c / E)) (papers.md §1.1).
  int effective_fault_threshold() const;
};

/// What a part gives to the other parts of a policy and what it asks of them, in words such as
/// "any-node-count". A policy is sound when every need is given by one of its parts.
struct Capabilities {
  std::vector<std::string> gives;
  std::vector<std::string> needs;
};

/// The plan exists for every node count from the minimum on, without idle nodes.
inline constexpr char kAnyNodeCount[] = "any-node-count";
/// Every expert has equally many replicas, one in each EP group.
inline constexpr char kEqualCounts[] = "equal-counts";
/// Nodes form EP groups that hold each expert once; tokens stay inside a group.
inline constexpr char kEpGroups[] = "ep-groups";
/// The plan depends on the random stream, so that equal questions may give different plans.
inline constexpr char kRandomPlan[] = "random-plan";
/// The plan depends on the plan in force (PlacementShape::previous), so that equal loads may give
/// different plans.
inline constexpr char kHistoryPlan[] = "history-plan";

/// The plan depends on PlacementShape::domain_of_node: its nodes are bound to machines of their
/// domains only.
inline constexpr char kDomainPlan[] = "domain-plan";

/// Replica counts by expert, a row for each layer.
using ReplicaRows = std::vector<std::vector<std::int32_t>>;

/// How many replicas each expert of a layer gets.
class Allocation {
 public:
  virtual ~Allocation() = default;
  virtual Capabilities capabilities() const { return {}; }
  /// The fewest nodes that can hold every expert; shape.nodes is not looked at.
  virtual int minimum_nodes(const PlacementShape& shape) const;
  /// How many of `nodes` ready nodes a plan can use.
  virtual int usable_nodes(const PlacementShape& shape, int nodes) const {
    (void)shape;
    return nodes;
  }
  /// Replica counts by expert for shape.nodes usable nodes; they fit the slots.
  virtual std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const = 0;
  /// The counts of every layer, a row each. By default each layer alone; a part whose layers depend
  /// on one another, or on the plan in force, overrides it.
  virtual std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                                const LoadMatrix& loads) const;
};

/// An allocation that makes all layers together: one layer alone is a matrix of one row.
class JointAllocation : public Allocation {
 public:
  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const final;
  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                        const LoadMatrix& loads) const override = 0;
};

/// The experts in the slots of every node, node after node, for each layer.
using LayerRows = std::vector<std::vector<std::int32_t>>;

/// Which nodes hold the replicas of a layer.
class Placement {
 public:
  virtual ~Placement() = default;
  virtual Capabilities capabilities() const { return {}; }
  /// The experts of every node: row n of the result are the slots of node n, vacant ones last.
  /// Requires: sum of replicas <= slots. `loads` break ties between equal counts.
  virtual std::variant<std::vector<std::int32_t>, Infeasible> place(
      const PlacementShape& shape, std::span<const std::int32_t> replicas,
      std::span<const std::int64_t> loads, Rng& rng) const = 0;
  /// All layers on one node order (LayerOrder::aligned); `replicas` and `loads` have a row for each
  /// layer. By default each layer alone; a part that builds node groups nests them around common
  /// cores (placement.md §7).
  virtual std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const;
  /// False when the rows may hold other counts than the allocation's: the plan then has theirs.
  virtual bool keeps_counts() const { return true; }
  /// True when the rows are final, slots GPU after GPU: neither the layer order nor the GPU pass
  /// touches them.
  virtual bool decides_gpus() const { return false; }
};

/// A placement that makes all layers together: one layer alone is a matrix of one row.
class JointPlacement : public Placement {
 public:
  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const final;
  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override = 0;
};

/// Where tokens go.
class Dispatch {
 public:
  virtual ~Dispatch() = default;
  virtual Capabilities capabilities() const { return {}; }
  /// One micro-batch of one layer: rank i routes `rows[i]` rows (tokens × top-k) in proportion to
  /// `loads`, split by largest remainder. Ensures: without padding, computed sums to the rows.
  virtual LayerTraffic dispatch(const PlacementShape& shape, const LayerPlan& plan,
                                std::span<const std::int64_t> rows,
                                std::span<const std::int64_t> loads) const = 0;
  /// What each rank sends to each expert in place of what it routes: rows of zeros fill it up where
  /// the part pads. Ensures: at least `routed`. Requires: the part pads rows and computation alike.
  virtual TokenCounts padded(const PlacementShape& shape, const LayerPlan& plan,
                             const TokenCounts& routed) const {
    (void)shape, (void)plan;
    return routed;
  }
  /// Where every routed row goes, exactly, for any routing: what real hardware executes. Padding is
  /// not in it: real hardware routes what padded() says. Ensures: conserves the rows of every
  /// (expert, rank); of padded() rows it agrees with dispatch() row for row. Empty when the part
  /// has no such form.
  virtual std::optional<TokenMatrix> matrix(const PlacementShape& shape, const LayerPlan& plan,
                                            const TokenCounts& routed) const {
    (void)shape, (void)plan, (void)routed;
    return std::nullopt;
  }
};

Registry<Allocation>& allocations();
Registry<Placement>& placements();
Registry<Dispatch>& dispatches();

/// How the layers' node orders relate: `aligned` nests the layers' groups around common cores
/// (placement.md §7), `independent` gives each layer an order of its own.
enum class LayerOrder { aligned, independent };

/// Makes the plan of all layers: allocation, placement, layer order, and each node's replicas onto
/// its GPUs (heaviest first onto the least loaded GPU with room, ties by id; DESIGN §4.4).
/// `loads` has a row for each layer.
std::variant<PlacementPlan, Infeasible> make_plan(const Allocation& allocation,
                                                  const Placement& placement,
                                                  const PlacementShape& shape, LayerOrder order,
                                                  const LoadMatrix& loads, Rng& rng);

/// max/mean over GPUs of the tokens of one layer under a dispatcher; 1 without tokens.
double max_over_mean(const LayerTraffic& traffic);

}  // namespace bethany
