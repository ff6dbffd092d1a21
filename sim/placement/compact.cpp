#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Experts in ascending order, one node filled after another: every expert on few nodes.
class Compact final : public Placement {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    std::vector<std::int32_t> rows;
    rows.reserve(static_cast<std::size_t>(shape.slots()));
    for (const std::int32_t expert : ascending_experts(replicas, loads)) {
      const auto count = static_cast<std::size_t>(replicas[static_cast<std::size_t>(expert)]);
      rows.insert(rows.end(), count, expert);
    }
    rows.resize(static_cast<std::size_t>(shape.slots()), kVacant);
    return rows;
  }
};

const bool registered = placements().add({
    .name = "compact",
    .summary = "every expert on as few nodes as possible",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> { return std::make_unique<Compact>(); },
});

}  // namespace
}  // namespace bethany
