#include <fmt/format.h>

#include "sim/base/object_reader.h"
#include "sim/placement/ep_layout.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Static expert parallelism: every EP group holds each expert once (DeepSpeed-MoE, Tutel).
class ExpertParallel final : public Allocation {
 public:
  explicit ExpertParallel(ObjectReader& options)
      : ep_size_(static_cast<int>(options.integer("ep_size", 0, 1'000'000, 0))) {}

  Capabilities capabilities() const override { return {.gives = {kEqualCounts}, .needs = {}}; }

  // A shape without groups is refused by allocate(), which can say why; here it counts as any
  // other.
  int minimum_nodes(const PlacementShape& shape) const override {
    const auto layout = ep_layout(shape, ep_size_);
    const auto* groups = std::get_if<EpLayout>(&layout);
    return groups != nullptr ? groups->nodes_per_group : Allocation::minimum_nodes(shape);
  }

  int usable_nodes(const PlacementShape& shape, int nodes) const override {
    const auto layout = ep_layout(shape, ep_size_);
    const auto* groups = std::get_if<EpLayout>(&layout);
    return groups != nullptr ? groups->usable_nodes(nodes) : nodes;
  }

  std::variant<std::vector<std::int32_t>, Infeasible> allocate(
      const PlacementShape& shape, std::span<const std::int64_t> loads) const override {
    (void)loads;
    const auto layout = ep_layout(shape, ep_size_);
    if (const auto* reason = std::get_if<Infeasible>(&layout)) return *reason;
    const auto& groups = std::get<EpLayout>(layout);
    const int usable = groups.usable_nodes(shape.nodes);
    if (usable == 0) {
      return Infeasible{fmt::format("an EP group of {} GPUs needs {} nodes; there are {}",
                                    groups.size, groups.nodes_per_group, shape.nodes)};
    }
    if (usable != shape.nodes) {
      return Infeasible{fmt::format("EP groups of {} GPUs can use {} of {} nodes", groups.size,
                                    usable, shape.nodes)};
    }
    return std::vector<std::int32_t>(static_cast<std::size_t>(shape.experts),
                                     groups.groups(shape.nodes));
  }

 private:
  int ep_size_;  // 0: the smallest that fits
};

const bool registered = allocations().add({
    .name = "ep",
    .summary = "static expert parallelism: one replica of each expert in every EP group",
    .make = [](ObjectReader& options) -> std::unique_ptr<Allocation> {
      return std::make_unique<ExpertParallel>(options);
    },
});

}  // namespace
}  // namespace bethany
