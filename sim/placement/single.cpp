#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// One replica of each expert (SmartMoE, papers.md §2.1); further slots stay vacant.
class Single final : public Allocation {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    if (auto reason = refuse_experts(shape)) return *reason;
    return std::vector<std::int32_t>(loads.size(), 1);
  }
};

const bool registered = allocations().add({
    .name = "single",
    .summary = "one replica of each expert (SmartMoE)",
    .make = [](ObjectReader&) -> std::unique_ptr<Allocation> { return std::make_unique<Single>(); },
});

}  // namespace
}  // namespace bethany
