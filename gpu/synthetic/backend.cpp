// Answers with a formula and seeded noise, so that calibrate → fit → predict can be tested exactly.
#include <cmath>
#include <limits>

#include "gpu/backend.h"
#include "gpu/synthetic/truth.h"
#include "sim/base/object_reader.h"
#include "sim/base/random.h"

namespace bethany {
namespace {

/// Standard deviation of the log of a sample; one sample in 20 is slower by up to 4 times.
constexpr double kNoise = 0.02;

class SyntheticOperation final : public PreparedOperation {
 public:
  SyntheticOperation(double seconds, Rng rng) : seconds_(seconds), rng_(rng) {}

  Sample run(int) override {
    double seconds = seconds_ * std::exp(kNoise * rng_.normal());
    if (rng_.below(20) == 0) seconds *= 1 + 3 * rng_.unit();
    return {.seconds = seconds, .enqueue_seconds = kSyntheticTruth.kernel};
  }

 private:
  double seconds_;
  Rng rng_;
};

class Synthetic final : public Backend {
 public:
  explicit Synthetic(ObjectReader& options)
      : streams_(static_cast<std::uint64_t>(
                     options.integer("seed", 0, std::numeric_limits<std::int64_t>::max())),
                 0) {}

  Machine machine() const override { return {{{"device", "synthetic"}}}; }
  std::string refuses(const Point&) const override { return ""; }
  std::vector<std::string> expert_variants() const override { return {"grouped", "loop"}; }
  Sweeps sweeps() const override {
    Sweeps all;
    for (const auto& entry : shape_zoo()) {
      if (entry.heads > 0) all.shapes.push_back(entry.name);
    }
    all.fabric_ranks = {2, 4, 8};
    return all;
  }
  std::unique_ptr<PreparedOperation> prepare(const Point& point) override {
    return std::make_unique<SyntheticOperation>(true_seconds(point),
                                                streams_.stream("gpu/synthetic", number_++));
  }

 private:
  RngStreams streams_;
  std::uint64_t number_ = 0;
};

const bool registered = backends().add({
    .name = "synthetic",
    .summary = "a known formula with seeded noise; needs no device",
    .make = [](ObjectReader& options) -> std::unique_ptr<Backend> {
      return std::make_unique<Synthetic>(options);
    },
});

}  // namespace
}  // namespace bethany
