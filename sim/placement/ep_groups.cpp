#include "sim/base/object_reader.h"
#include "sim/placement/ep_layout.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// EP groups on consecutive ranks; each rank holds its share of the experts, in order of id.
class EpGroups final : public Placement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kEpGroups}, .needs = {kEqualCounts}};
  }
  // A group is a communicator of all layers: its ranks stay together.
  bool decides_gpus() const override { return true; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)loads, (void)rng;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    const auto found = ep_layout_of(shape, replicas);
    if (const auto* reason = std::get_if<Infeasible>(&found)) return *reason;
    const auto& layout = std::get<EpLayout>(found);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(shape.slots()), kVacant);
    for (int rank = 0; rank < shape.ranks(); ++rank) {
      const int first = rank % layout.size * layout.experts_per_rank;
      const auto slot =
          static_cast<std::size_t>(rank) * static_cast<std::size_t>(shape.slots_per_gpu);
      for (int i = 0; i < layout.experts_per_rank; ++i) {
        rows[slot + static_cast<std::size_t>(i)] = first + i;
      }
    }
    return rows;
  }
};

const bool registered = placements().add({
    .name = "ep-groups",
    .summary = "EP groups on consecutive GPUs, each holding every expert once",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<EpGroups>();
    },
});

}  // namespace
}  // namespace bethany
