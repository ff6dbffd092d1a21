#include "sim/base/object_reader.h"
#include "sim/placement/device_rows.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Nearly equal counts: one more for the experts with most load, ties by id.
class Uniform final : public Allocation {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    if (auto reason = refuse_experts(shape)) return *reason;
    return even_counts(shape.slots(), loads);
  }
};

const bool registered = allocations().add({
    .name = "uniform",
    .summary = "nearly equal counts, one more for the experts with most load",
    .make = [](ObjectReader&) -> std::unique_ptr<Allocation> {
      return std::make_unique<Uniform>();
    },
});

}  // namespace
}  // namespace bethany
