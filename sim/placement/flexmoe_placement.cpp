#include <algorithm>

#include "sim/base/object_reader.h"
#include "sim/placement/flexmoe_schedule.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// The slots that FlexMoE's scheduler arrives at (FlexMoeSchedule), whatever the allocation says.
class FlexMoePlacement final : public JointPlacement {
 public:
  explicit FlexMoePlacement(ObjectReader& options) : schedule_(options) {}

  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kHistoryPlan}, .needs = {}};
  }
  bool decides_gpus() const override { return true; }
  bool keeps_counts() const override { return false; }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    (void)replicas, (void)rng;
    auto made = schedule_.run(shape, loads);
    if (auto* reason = std::get_if<Infeasible>(&made)) return *reason;
    return std::move(std::get<FlexMoeSchedule::Result>(made).rows);
  }

 private:
  FlexMoeSchedule schedule_;
};

const bool registered = placements().add({
    .name = "flexmoe",
    .summary = "from the plan in force by Expand, Shrink and Migrate while time falls (FlexMoE)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Placement> {
      return std::make_unique<FlexMoePlacement>(options);
    },
});

}  // namespace
}  // namespace bethany
