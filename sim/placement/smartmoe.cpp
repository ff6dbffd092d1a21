#include <algorithm>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/device_rows.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/kept_rows.h"
#include "sim/placement/parts.h"
#include "sim/placement/replica_weights.h"

namespace bethany {
namespace {

/// SmartMoE's re-placement (papers.md §2.1): experts by load, heaviest first, each to the GPU with
/// fewest tokens that has a free slot, of equals to one that held it; adopted only when the largest
/// GPU load falls. Made for one replica each; more are placed one after another.
class SmartMoe final : public JointPlacement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kHistoryPlan}, .needs = {}};
  }
  bool decides_gpus() const override { return true; }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    (void)rng;
    LayerRows old;
    if (shape.previous != nullptr) {
      auto kept = kept_rows(shape, static_cast<int>(replicas.size()));
      if (auto* reason = std::get_if<Infeasible>(&kept)) return *reason;
      old = std::move(std::get<LayerRows>(kept));
    } else {
      old.assign(replicas.size(),
                 std::vector<std::int32_t>(static_cast<std::size_t>(shape.slots()), kVacant));
    }
    LayerRows rows;
    for (std::size_t layer = 0; layer < replicas.size(); ++layer) {
      if (auto reason = refuse_replicas(shape, replicas[layer])) return *reason;
      rows.push_back(
          placed(shape, replicas[layer], loads.row(static_cast<int>(layer)), old[layer]));
    }
    return rows;
  }

 private:
  static std::vector<std::int32_t> placed(const PlacementShape& shape,
                                          std::span<const std::int32_t> replicas,
                                          std::span<const std::int64_t> loads,
                                          const std::vector<std::int32_t>& old_rows) {
    const auto weights = replica_weights(replicas, loads);
    const DeviceRows old(shape, old_rows, weights);
    DeviceRows devices(shape, std::vector<std::int32_t>(old_rows.size(), kVacant), weights);
    std::vector<std::vector<int>> held(replicas.size());  // GPUs that have a copy, one entry each
    for (int gpu = 0; gpu < old.gpus(); ++gpu) {
      for (const auto e : old.held(gpu)) held[static_cast<std::size_t>(e)].push_back(gpu);
    }
    for (const std::int32_t expert : devices.heaviest_first()) {
      auto& holders = held[static_cast<std::size_t>(expert)];
      for (std::int32_t i = 0; i < replicas[static_cast<std::size_t>(expert)]; ++i) {
        int gpu = devices.least_loaded([](int) { return true; });
        BETHANY_CHECK(gpu >= 0, "no room for expert {}", expert);
        const auto kept = std::find_if(holders.begin(), holders.end(), [&](int holder) {
          return devices.has_room(holder) && devices.load(holder) == devices.load(gpu);
        });
        if (kept != holders.end()) {
          gpu = *kept;
          holders.erase(kept);
        }
        devices.put(gpu, expert);
      }
    }
    const bool complete = counts_of(old_rows, replicas.size()) ==
                          std::vector<std::int32_t>(replicas.begin(), replicas.end());
    return complete && devices.largest_load() >= old.largest_load() ? old.rows() : devices.rows();
  }

  static std::vector<std::int32_t> counts_of(const std::vector<std::int32_t>& rows,
                                             std::size_t experts) {
    std::vector<std::int32_t> counts(experts);
    for (const std::int32_t expert : rows) {
      if (expert != kVacant) ++counts[static_cast<std::size_t>(expert)];
    }
    return counts;
  }
};

const bool registered = placements().add({
    .name = "smartmoe",
    .summary =
        "heaviest expert first onto the GPU with fewest tokens, if that is better (SmartMoE)",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<SmartMoe>();
    },
});

}  // namespace
}  // namespace bethany
