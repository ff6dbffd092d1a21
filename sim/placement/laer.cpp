#include <numeric>

#include "sim/base/object_reader.h"
#include "sim/placement/device_rows.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// LAER-MoE (papers.md §2.1): copies of an expert spread over the nodes, then load over the GPUs.
/// Of the counts given and the same number of replicas evenly, it takes the plan with the smaller
/// largest GPU load; the given counts when they are equal.
class Laer final : public Placement {
 public:
  explicit Laer(ObjectReader& options) : even_(options.boolean("even_alternative", true)) {}

  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }
  bool decides_gpus() const override { return true; }
  bool keeps_counts() const override { return !even_; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    (void)rng;
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    const auto given = spread_over_devices(shape, replicas, loads);
    if (!even_ || loads.empty()) return given.rows();
    const auto counts =
        even_counts(std::accumulate(replicas.begin(), replicas.end(), std::int64_t{0}), loads);
    const auto even = spread_over_devices(shape, counts, loads);
    return even.largest_load() < given.largest_load() ? even.rows() : given.rows();
  }

 private:
  bool even_;  // whether even counts are a candidate
};

const bool registered = placements().add({
    .name = "laer",
    .summary = "copies over the nodes, then load over the GPUs; even counts if better (LAER-MoE)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Placement> {
      return std::make_unique<Laer>(options);
    },
});

}  // namespace
}  // namespace bethany
