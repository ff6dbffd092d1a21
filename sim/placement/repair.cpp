#include "sim/placement/repair_rows.h"

#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/kept_rows.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Repair instead of a new plan (elastic serving engines): see repaired_rows(). The allocation's
/// counts matter only when no plan is in force: then replicas are spread as by `laer`.
class RepairPlacement final : public JointPlacement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kHistoryPlan}, .needs = {}};
  }
  bool decides_gpus() const override { return true; }
  bool keeps_counts() const override { return false; }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    (void)rng;
    LayerRows rows;
    if (shape.previous == nullptr) {
      for (std::size_t layer = 0; layer < replicas.size(); ++layer) {
        if (auto reason = refuse_replicas(shape, replicas[layer])) return *reason;
        const auto row = loads.row(static_cast<int>(layer));
        rows.push_back(spread_over_devices(shape, replicas[layer], row).rows());
      }
      return rows;
    }
    if (auto reason = refuse_experts(shape)) return *reason;
    auto kept = kept_rows(shape, static_cast<int>(replicas.size()));
    if (auto* reason = std::get_if<Infeasible>(&kept)) return *reason;
    const auto& held = std::get<LayerRows>(kept);
    const auto newcomer = newcomers(shape);
    for (std::size_t layer = 0; layer < held.size(); ++layer) {
      const auto row = loads.row(static_cast<int>(layer));
      rows.push_back(repaired_rows(shape, held[layer], newcomer, row).rows());
    }
    return rows;
  }
};

const bool registered = placements().add({
    .name = "repair",
    .summary = "keeps the plan in force; lost experts take slots of experts with spare replicas",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<RepairPlacement>();
    },
});

}  // namespace
}  // namespace bethany
