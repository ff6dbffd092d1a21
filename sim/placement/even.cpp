#include "sim/base/object_reader.h"
#include "sim/placement/parts.h"
#include "sim/placement/replica_flow.h"

namespace bethany {
namespace {

/// Every rank spreads the rows of an expert evenly over all its replicas, near or far.
class Even final : public Dispatch {
 public:
  LayerTraffic dispatch(const PlacementShape& shape, const LayerPlan& plan,
                        std::span<const std::int64_t> rows,
                        std::span<const std::int64_t> loads) const override {
    const RoutedRows routed(rows, loads);
    return ReplicaFlow(shape, plan, routed, Locality::ignored).summary();
  }

  std::optional<TokenMatrix> matrix(const PlacementShape& shape, const LayerPlan& plan,
                                    const TokenCounts& counts) const override {
    const RoutedRows routed(counts);
    return ReplicaFlow(shape, plan, routed, Locality::ignored).matrix();
  }
};

const bool registered = dispatches().add({
    .name = "even",
    .summary = "an expert's tokens evenly over its replicas, wherever they are",
    .make = [](ObjectReader&) -> std::unique_ptr<Dispatch> { return std::make_unique<Even>(); },
});

}  // namespace
}  // namespace bethany
