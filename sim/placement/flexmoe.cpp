#include <algorithm>

#include "sim/base/object_reader.h"
#include "sim/placement/flexmoe_schedule.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// The counts that FlexMoE's scheduler arrives at (FlexMoeSchedule). The placement of the same name
/// keeps its slots too.
class FlexMoe final : public JointAllocation {
 public:
  explicit FlexMoe(ObjectReader& options) : schedule_(options) {}

  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kHistoryPlan}, .needs = {}};
  }

  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                        const LoadMatrix& loads) const override {
    auto made = schedule_.run(shape, loads);
    if (auto* reason = std::get_if<Infeasible>(&made)) return *reason;
    ReplicaRows layers;
    for (const auto& rows : std::get<FlexMoeSchedule::Result>(made).rows) {
      layers.emplace_back(static_cast<std::size_t>(shape.experts));
      for (const std::int32_t expert : rows) {
        if (expert != kVacant) ++layers.back()[static_cast<std::size_t>(expert)];
      }
    }
    return layers;
  }

 private:
  FlexMoeSchedule schedule_;
};

const bool registered = allocations().add({
    .name = "flexmoe",
    .summary = "from the plan in force by Expand, Shrink and Migrate while time falls (FlexMoE)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Allocation> {
      return std::make_unique<FlexMoe>(options);
    },
});

}  // namespace
}  // namespace bethany
