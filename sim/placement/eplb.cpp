#include <fmt/format.h>

#include "sim/base/object_reader.h"
#include "sim/placement/balanced_packing.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/greedy_counts.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// DeepSeek's EPLB (papers.md §2.1): replicas to the experts with most load per replica; with
/// expert groups that the nodes divide, inside each node for the experts of its groups.
class Eplb final : public Allocation {
 public:
  explicit Eplb(ObjectReader& options) : minimum_(options.integer("minimum", 1, 1'000'000, 1)) {}

  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    if (auto reason = refuse(shape)) return *reason;
    Scratch scratch;
    return counts_of(shape, loads, scratch);
  }

  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                        const LoadMatrix& loads) const override {
    if (auto reason = refuse(shape)) return *reason;
    Scratch scratch;
    ReplicaRows layers;
    layers.reserve(static_cast<std::size_t>(loads.layers));
    for (int layer = 0; layer < loads.layers; ++layer) {
      layers.push_back(counts_of(shape, loads.row(layer), scratch));
    }
    return layers;
  }

 private:
  struct Scratch {
    GreedyCounts greedy;
    BalancedPacking packing;
    std::vector<std::int64_t> node_loads;
    std::vector<std::int32_t> node_counts;
  };

  static std::optional<Infeasible> refuse(const PlacementShape& shape) {
    if (auto reason = refuse_expert_groups(shape)) return reason;
    return refuse_experts(shape);
  }

  std::vector<std::int32_t> counts_of(const PlacementShape& shape,
                                      std::span<const std::int64_t> loads, Scratch& scratch) const {
    const std::int64_t minimum =
        loads.empty() ? 1 : std::min<std::int64_t>(minimum_, shape.slots() / shape.experts);
    std::vector<std::int32_t> counts(loads.size());
    const auto nodes = experts_of_nodes(shape, loads, scratch.packing);
    if (nodes.empty()) {
      scratch.greedy.run(loads, shape.slots(), minimum, counts);
      return counts;
    }
    for (const auto& experts : nodes) {
      scratch.node_loads.clear();
      for (const auto e : experts) {
        scratch.node_loads.push_back(loads[static_cast<std::size_t>(e)]);
      }
      scratch.node_counts.resize(experts.size());
      scratch.greedy.run(scratch.node_loads, shape.slots_per_node(), minimum, scratch.node_counts);
      for (std::size_t i = 0; i < experts.size(); ++i) {
        counts[static_cast<std::size_t>(experts[i])] = scratch.node_counts[i];
      }
    }
    return counts;
  }

  std::int64_t minimum_;  // replicas of each expert, as far as the slots suffice
};

const bool registered = allocations().add({
    .name = "eplb",
    .summary = "every further replica to the expert with most load per replica (DeepSeek EPLB)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Allocation> {
      return std::make_unique<Eplb>(options);
    },
});

}  // namespace
}  // namespace bethany
