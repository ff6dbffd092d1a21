#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/routing_load.h"

namespace bethany {
namespace {

/// The loads of one layer, written out, for all layers and for ever.
class Constant final : public RoutingGenerator {
 public:
  explicit Constant(ObjectReader& options)
      : loads_(options.integers("loads", 0, std::int64_t{1} << 40)) {
    bool any = false;
    for (const auto load : loads_) any = any || load > 0;
    if (!any) options.fail("loads", "no expert has any load");
    place_ = options.path() + "/loads";
  }

  RoutingLoad generate(const RoutingShape& shape, const RngStreams&) const override {
    if (loads_.size() != static_cast<std::size_t>(shape.experts)) {
      throw InputError(fmt::format("{}: {} loads for the {} experts of the model", place_,
                                   loads_.size(), shape.experts));
    }
    LoadMatrix loads(shape.layers, shape.experts);
    for (int layer = 0; layer < shape.layers; ++layer) {
      std::copy(loads_.begin(), loads_.end(), loads.row(layer).begin());
    }
    return RoutingLoad(shape.top_k, {{.step = 0, .shares = std::move(loads)}});
  }

 private:
  std::vector<std::int64_t> loads_;
  std::string place_;
};

const bool registered = routing_generators().add({
    .name = "constant",
    .summary = "`loads` written out: the same in every layer, for ever",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingGenerator> {
      return std::make_unique<Constant>(options);
    },
});

}  // namespace
}  // namespace bethany
