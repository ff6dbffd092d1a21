#include <algorithm>
#include <cmath>

#include "sim/base/object_reader.h"
#include "sim/model/routing_weights.h"

namespace bethany {
namespace {

/// A standard gamma variate's logarithm (Marsaglia and Tsang 2000; below shape 1 by their power of
/// a uniform number). Logarithms, because small shapes give numbers that no double holds.
double log_gamma_variate(double shape, Rng& rng) {
  if (shape < 1) return log_gamma_variate(shape + 1, rng) + std::log(rng.unit()) / shape;
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = rng.normal();
    const double v = 1 + c * x;
    if (v <= 0) continue;
    const double log_cube = 3 * std::log(v);
    if (std::log(rng.unit()) < x * x / 2 + d * (1 - std::exp(log_cube) + log_cube)) {
      return std::log(d) + log_cube;
    }
  }
}

/// Shares of each layer drawn from a symmetric Dirichlet distribution.
class Dirichlet final : public RoutingGenerator {
 public:
  explicit Dirichlet(ObjectReader& options)
      : concentration_(options.real("concentration", 0.001, 1e6, 0.5)),
        changes_(RoutingChanges::read(options, {.every = 0, .until_step = 5000})) {}

  RoutingLoad generate(const RoutingShape& shape, const RngStreams& streams) const override {
    auto entries = empty_entries(changes_.steps(), shape, "dirichlet");
    std::vector<double> weights(static_cast<std::size_t>(shape.experts));
    for (int layer = 0; layer < shape.layers; ++layer) {
      Rng rng = streams.stream("routing/dirichlet", static_cast<std::uint64_t>(layer));
      for (auto& entry : entries) {
        for (auto& weight : weights) weight = log_gamma_variate(concentration_, rng);
        const double largest = *std::max_element(weights.begin(), weights.end());
        // Never 0, so that a cap can hand shares on.
        for (auto& weight : weights) weight = std::max(std::exp(weight - largest), 1e-12);
        cap_shares(weights, shape.top_k);
        whole_loads(weights, entry.shares.row(layer));
      }
    }
    return RoutingLoad(shape.top_k, std::move(entries));
  }

 private:
  double concentration_;
  RoutingChanges changes_;
};

const bool registered = routing_generators().add({
    .name = "dirichlet",
    .summary = "shares of each layer from a symmetric Dirichlet distribution, drawn once or anew",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingGenerator> {
      return std::make_unique<Dirichlet>(options);
    },
});

}  // namespace
}  // namespace bethany
