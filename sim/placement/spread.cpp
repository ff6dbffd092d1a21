#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Experts in ascending order, consecutive replicas on consecutive nodes, round and round.
class Spread final : public Placement {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    const auto nodes = static_cast<std::size_t>(shape.nodes);
    const auto slots = static_cast<std::size_t>(shape.slots_per_node());
    std::vector<std::int32_t> rows(nodes * slots, kVacant);
    std::size_t placed = 0;
    for (const std::int32_t expert : ascending_experts(replicas, loads)) {
      for (std::int32_t i = 0; i < replicas[static_cast<std::size_t>(expert)]; ++i, ++placed) {
        rows[placed % nodes * slots + placed / nodes] = expert;
      }
    }
    return rows;
  }
};

const bool registered = placements().add({
    .name = "spread",
    .summary = "replicas round robin over the nodes",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> { return std::make_unique<Spread>(); },
});

}  // namespace
}  // namespace bethany
