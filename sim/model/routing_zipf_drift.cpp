#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/base/object_reader.h"
#include "sim/model/routing_weights.h"

namespace bethany {
namespace {

/// Spread of the nearly uniform beginning: its Gini is 0.11, as in the log's first iteration.
constexpr double kUniformSpread = 0.2;

/// Zipf shares whose ranks and masses drift: fast at first, then almost not at all, as gates do
/// that learn (measured on a public log of a GPT-2 with 32 experts: sim/model/README.md).
class ZipfDrift final : public RoutingGenerator {
 public:
  explicit ZipfDrift(ObjectReader& options)
      : exponent_(options.real("exponent", 0, 10, 1.2)),
        changes_(RoutingChanges::read(options, {.every = 100, .until_step = 5000})),
        drift_(options.real("drift", 0, 1, 0.6)),
        half_life_(options.integer("half_life", 1, 1'000'000'000'000, 275)),
        cutoff_(options.real("cutoff", 0, 1e6, 0)),
        spread_(options.real("spread", 0, 3, 0.25)),
        uniform_steps_(options.integer("uniform_steps", 0, 1'000'000'000, 0)) {
    if (uniform_steps_ >= changes_.every) {
      options.fail("uniform_steps", fmt::format("must be below 'every', {}", changes_.every));
    }
  }

  RoutingLoad generate(const RoutingShape& shape, const RngStreams& streams) const override {
    auto steps = changes_.steps();
    if (uniform_steps_ > 0) steps.insert(steps.begin() + 1, uniform_steps_);
    auto entries = empty_entries(steps, shape, "zipf-drift");
    for (int layer = 0; layer < shape.layers; ++layer) {
      const auto stream = static_cast<std::uint64_t>(layer);
      Rng rng = streams.stream("routing/zipf-drift", stream);
      std::span<RoutingLoad::Entry> drifting = entries;
      if (uniform_steps_ > 0) {
        Rng beginning = streams.stream("routing/zipf-drift/uniform", stream);
        fill_uniform(beginning, shape, entries.front().shares.row(layer));
        drifting = drifting.subspan(1);
      }
      fill_layer(layer, shape, rng, drifting);
    }
    return RoutingLoad(shape.top_k, std::move(entries));
  }

 private:
  /// Two stationary normal processes per expert: `score` decides its rank, `mass` its deviation.
  void fill_layer(int layer, const RoutingShape& shape, Rng& rng,
                  std::span<RoutingLoad::Entry> entries) const {
    const auto experts = static_cast<std::size_t>(shape.experts);
    std::vector<double> zipf(experts);  // the weight of each rank
    for (std::size_t rank = 0; rank < experts; ++rank) {
      const auto place = static_cast<double>(rank + 1);
      zipf[rank] = std::pow(place, -exponent_);
      if (cutoff_ > 0) zipf[rank] *= std::exp(-place / cutoff_);
    }
    std::vector<double> score(experts);
    std::vector<double> mass(experts);
    for (auto& value : score) value = rng.normal();
    for (auto& value : mass) value = rng.normal();
    std::vector<double> weights(experts);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      auto& entry = entries[i];
      if (i > 0) {
        const double moved =
            drift_ * std::exp2(-static_cast<double>(entry.step) / static_cast<double>(half_life_));
        const double kept = std::sqrt(1 - moved * moved);
        for (auto& value : score) value = kept * value + moved * rng.normal();
        for (auto& value : mass) value = kept * value + moved * rng.normal();
      }
      weigh(zipf, score, mass, weights);
      cap_shares(weights, shape.top_k);
      whole_loads(weights, entry.shares.row(layer));
    }
  }

  /// A gate that has learnt nothing yet.
  static void fill_uniform(Rng& rng, const RoutingShape& shape, std::span<std::int64_t> row) {
    std::vector<double> weights(row.size());
    for (auto& weight : weights) weight = std::exp(kUniformSpread * rng.normal());
    cap_shares(weights, shape.top_k);
    whole_loads(weights, row);
  }

  void weigh(const std::vector<double>& zipf, const std::vector<double>& score,
             const std::vector<double>& mass, std::vector<double>& weights) const {
    std::vector<std::size_t> order(score.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      if (score[a] != score[b]) return score[a] > score[b];
      return a < b;
    });
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      const std::size_t expert = order[rank];
      weights[expert] = zipf[rank];
      if (exponent_ > 0 || cutoff_ > 0) weights[expert] *= std::exp(spread_ * mass[expert]);
    }
  }

  double exponent_;
  RoutingChanges changes_;
  double drift_;
  std::int64_t half_life_;
  double cutoff_;
  double spread_;
  std::int64_t uniform_steps_;
};

const bool registered = routing_generators().add({
    .name = "zipf-drift",
    .summary = "Zipf shares whose ranks drift fast at first and then settle; the default",
    .make = [](ObjectReader& options) -> std::unique_ptr<RoutingGenerator> {
      return std::make_unique<ZipfDrift>(options);
    },
});

}  // namespace
}  // namespace bethany
