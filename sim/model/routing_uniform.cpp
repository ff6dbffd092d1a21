#include <algorithm>

#include "sim/model/routing_load.h"

namespace bethany {
namespace {

/// Every expert of every layer gets the same share, for ever.
class Uniform final : public RoutingGenerator {
 public:
  RoutingLoad generate(const RoutingShape& shape, const RngStreams&) const override {
    LoadMatrix loads(shape.layers, shape.experts);
    std::fill(loads.values.begin(), loads.values.end(), 1);
    return RoutingLoad(shape.top_k, {{.step = 0, .shares = std::move(loads)}});
  }
};

const bool registered = routing_generators().add({
    .name = "uniform",
    .summary = "every expert gets the same share of the tokens, for ever",
    .make = [](ObjectReader&) -> std::unique_ptr<RoutingGenerator> {
      return std::make_unique<Uniform>();
    },
});

}  // namespace
}  // namespace bethany
