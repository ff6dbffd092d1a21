#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/replica_flow.h"

namespace bethany {
namespace {

/// Alg. 1 of Lazarus (papers.md §1.3): a rank's own replicas take its rows first, the rest goes to
/// the other ranks in proportion to what they have left; every replica computes the same share.
class Lazarus final : public Dispatch {
 public:
  LayerTraffic dispatch(const PlacementShape& shape, const LayerPlan& plan,
                        std::span<const std::int64_t> rows,
                        std::span<const std::int64_t> loads) const override {
    const RoutedRows routed(rows, loads);
    return ReplicaFlow(shape, plan, routed, Locality::first).summary();
  }

  std::optional<TokenMatrix> matrix(const PlacementShape& shape, const LayerPlan& plan,
                                    const TokenCounts& counts) const override {
    const RoutedRows routed(counts);
    return ReplicaFlow(shape, plan, routed, Locality::first).matrix();
  }
};

const bool registered = dispatches().add({
    .name = "lazarus",
    .summary = "own replicas first, the rest in proportion to residual capacity (Lazarus, Alg. 1)",
    .make = [](ObjectReader&) -> std::unique_ptr<Dispatch> { return std::make_unique<Lazarus>(); },
});

}  // namespace
}  // namespace bethany
