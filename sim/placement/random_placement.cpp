#include <algorithm>

#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// All replicas into uniformly random slots; several of one expert may share a node.
class RandomPlacement final : public Placement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kRandomPlan}, .needs = {}};
  }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)loads;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    std::vector<std::int32_t> rows;
    rows.reserve(static_cast<std::size_t>(shape.slots()));
    for (std::size_t expert = 0; expert < replicas.size(); ++expert) {
      rows.insert(rows.end(), static_cast<std::size_t>(replicas[expert]),
                  static_cast<std::int32_t>(expert));
    }
    rows.resize(static_cast<std::size_t>(shape.slots()), kVacant);
    rng.shuffle(rows);
    for (auto node = rows.begin(); node != rows.end(); node += shape.slots_per_node()) {
      std::stable_partition(node, node + shape.slots_per_node(),
                            [](std::int32_t expert) { return expert != kVacant; });
    }
    return rows;
  }
};

const bool registered = placements().add({
    .name = "random",
    .summary = "replicas in uniformly random slots (seeded)",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<RandomPlacement>();
    },
});

}  // namespace
}  // namespace bethany
