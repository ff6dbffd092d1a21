#include <fmt/format.h>

#include "sim/base/object_reader.h"
#include "sim/placement/core_plan.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// As many replicas as the hosts of the core plan (placement.md §6): counts are chosen for
/// recovery, not in proportion to load.
class CoreCounts final : public JointAllocation {
 public:
  explicit CoreCounts(CoreOptions options) : options_(options) {}

  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<ReplicaRows, Infeasible> allocate_layers(const PlacementShape& shape,
                                                        const LoadMatrix& loads) const override {
    if (shape.slots() < shape.experts) {
      return Infeasible{
          fmt::format("{} nodes of {} slots hold {} replicas; {} experts need one each",
                      shape.nodes, shape.slots_per_node(), shape.slots(), shape.experts)};
    }
    return core_plan(shape, loads, options_).replicas();
  }

 private:
  CoreOptions options_;
};

const bool registered = allocations().add({
    .name = "core",
    .summary = "the counts of core plans: chosen for recovery, to be split by min-makespan",
    .make = [](ObjectReader& options) -> std::unique_ptr<Allocation> {
      return std::make_unique<CoreCounts>(read_core_options(options));
    },
});

}  // namespace
}  // namespace bethany
