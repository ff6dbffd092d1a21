#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/routing_load.h"

namespace bethany {
namespace {

constexpr std::int64_t kMostEntries = 100'000;
constexpr std::int64_t kMostValues = std::int64_t{1} << 28;
/// The largest weight of a layer before it is scaled to shares.
constexpr double kWeightScale = 0x1.0p40;
/// Spread of an expert's mass around its rank's, as the standard deviation of its logarithm: a
/// choice that blurs the exact Zipf steps without hiding the exponent.
constexpr double kMassSpread = 0.25;

/// Zipf shares whose ranks and masses drift: fast at first, then almost not at all, as gates do
/// that learn (measured on a public log of a GPT-2 with 32 experts: sim/model/README.md).
class ZipfDrift final : public RoutingGenerator {
 public:
  explicit ZipfDrift(ObjectReader& options)
      : exponent_(options.real("exponent", 0, 10, 1.2)),
        every_(options.integer("every", 1, 1'000'000'000, 100)),
        until_step_(options.integer("until_step", 0, 1'000'000'000'000, 5000)),
        drift_(options.real("drift", 0, 1, 0.6)),
        half_life_(options.integer("half_life", 1, 1'000'000'000'000, 275)) {
    if (until_step_ / every_ >= kMostEntries) {
      options.fail("until_step", fmt::format("{} steps in entries of {} are more than {} entries",
                                             until_step_, every_, kMostEntries));
    }
  }

  RoutingLoad generate(const RoutingShape& shape, const RngStreams& streams) const override {
    const std::int64_t count = until_step_ / every_ + 1;
    if (count * shape.layers * shape.experts > kMostValues) {
      throw InputError(fmt::format(
          "routing generator 'zipf-drift': {} entries of {} layers x {} experts do not fit memory",
          count, shape.layers, shape.experts));
    }
    std::vector<RoutingLoad::Entry> entries(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      auto& entry = entries[static_cast<std::size_t>(i)];
      entry.step = i * every_;
      entry.shares = LoadMatrix(shape.layers, shape.experts);
    }
    for (int layer = 0; layer < shape.layers; ++layer) {
      Rng rng = streams.stream("routing/zipf-drift", static_cast<std::uint64_t>(layer));
      fill_layer(layer, shape, rng, entries);
    }
    return RoutingLoad(shape.top_k, std::move(entries));
  }

 private:
  /// Two stationary normal processes per expert: `score` decides its rank, `mass` its deviation.
  void fill_layer(int layer, const RoutingShape& shape, Rng& rng,
                  std::vector<RoutingLoad::Entry>& entries) const {
    const auto experts = static_cast<std::size_t>(shape.experts);
    std::vector<double> zipf(experts);  // the weight of each rank
    for (std::size_t rank = 0; rank < experts; ++rank) {
      zipf[rank] = std::pow(static_cast<double>(rank + 1), -exponent_);
    }
    std::vector<double> score(experts);
    std::vector<double> mass(experts);
    for (auto& value : score) value = rng.normal();
    for (auto& value : mass) value = rng.normal();
    std::vector<double> weights(experts);
    for (auto& entry : entries) {
      if (entry.step > 0) {
        const double moved =
            drift_ * std::exp2(-static_cast<double>(entry.step) / static_cast<double>(half_life_));
        const double kept = std::sqrt(1 - moved * moved);
        for (auto& value : score) value = kept * value + moved * rng.normal();
        for (auto& value : mass) value = kept * value + moved * rng.normal();
      }
      weigh(zipf, score, mass, weights);
      cap(weights, shape.top_k);
      const double largest = *std::max_element(weights.begin(), weights.end());
      const auto row = entry.shares.row(layer);
      for (std::size_t e = 0; e < experts; ++e) {
        row[e] = static_cast<std::int64_t>(std::floor(weights[e] / largest * kWeightScale + 0.5));
      }
    }
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
      if (exponent_ > 0) weights[expert] *= std::exp(kMassSpread * mass[expert]);
    }
  }

  /// A token goes to top_k different experts, so none can have more than 1/top_k of them: what is
  /// above goes to the others in proportion.
  static void cap(std::vector<double>& weights, int top_k) {
    const double limit = 1.0 / top_k;
    if (static_cast<std::size_t>(top_k) >= weights.size()) {
      std::fill(weights.begin(), weights.end(), 1.0);
      return;
    }
    std::vector<bool> full(weights.size());
    double free_share = 1;  // of the experts that are not full
    for (bool again = true; again;) {
      again = false;
      double sum = 0;
      for (std::size_t e = 0; e < weights.size(); ++e) sum += full[e] ? 0 : weights[e];
      for (std::size_t e = 0; e < weights.size(); ++e) {
        if (!full[e]) weights[e] *= free_share / sum;
      }
      for (std::size_t e = 0; e < weights.size(); ++e) {
        if (full[e] || weights[e] <= limit) continue;
        weights[e] = limit;
        full[e] = true;
        free_share -= limit;
        again = true;
      }
    }
  }

  double exponent_;
  std::int64_t every_;
  std::int64_t until_step_;
  double drift_;
  std::int64_t half_life_;
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
