#include "sim/base/object_reader.h"
#include "sim/placement/balanced_packing.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// EPLB's balanced packing onto the GPUs (papers.md §2.1): of all nodes, or, with expert groups
/// that the nodes divide, onto the GPUs of the node that holds the expert's group. Counts that do
/// not fit the nodes of their groups are packed onto all GPUs.
class Packed final : public Placement {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }
  bool decides_gpus() const override { return true; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_expert_groups(shape)) return *reason;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    BalancedPacking packing;
    return rows_of(shape, replicas, loads, packing);
  }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_expert_groups(shape)) return *reason;
    BalancedPacking packing;
    LayerRows layers;
    layers.reserve(replicas.size());
    for (std::size_t layer = 0; layer < replicas.size(); ++layer) {
      if (auto reason = refuse_replicas(shape, replicas[layer])) return *reason;
      layers.push_back(
          rows_of(shape, replicas[layer], loads.row(static_cast<int>(layer)), packing));
    }
    return layers;
  }

 private:
  static std::vector<std::int32_t> rows_of(const PlacementShape& shape,
                                           std::span<const std::int32_t> replicas,
                                           std::span<const std::int64_t> loads,
                                           BalancedPacking& packing) {
    std::vector<std::int32_t> rows(static_cast<std::size_t>(shape.slots()));
    const auto nodes = experts_of_nodes(shape, loads, packing);
    if (nodes.empty() || !fit(shape, replicas, nodes)) {
      packing.run(replicas, loads, shape.ranks(), shape.slots_per_gpu, rows);
      return rows;
    }
    const auto slots = static_cast<std::size_t>(shape.slots_per_node());
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      packing.run(nodes[n], replicas, loads, shape.gpus_per_node, shape.slots_per_gpu,
                  std::span(rows).subspan(n * slots, slots));
    }
    return rows;
  }

  static bool fit(const PlacementShape& shape, std::span<const std::int32_t> replicas,
                  const std::vector<std::vector<std::int32_t>>& nodes) {
    for (const auto& experts : nodes) {
      std::int64_t sum = 0;
      for (const auto e : experts) sum += replicas[static_cast<std::size_t>(e)];
      if (sum > shape.slots_per_node()) return false;
    }
    return true;
  }
};

const bool registered = placements().add({
    .name = "packed",
    .summary = "heaviest replica first onto the least loaded GPU with room (DeepSeek EPLB)",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> { return std::make_unique<Packed>(); },
});

}  // namespace
}  // namespace bethany
