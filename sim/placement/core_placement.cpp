#include <fmt/format.h>

#include <algorithm>

#include "sim/base/object_reader.h"
#include "sim/placement/core_plan.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/parts.h"

namespace bethany {
namespace {

/// Puts the replicas that the plan leaves over into vacant slots as further copies, each on the
/// emptiest GPU, ties to the lowest.
void put_copies(const PlacementShape& shape, std::span<const std::int32_t> replicas,
                const CoreLayer& layer, std::vector<std::int32_t>& rows) {
  const auto slots = static_cast<std::size_t>(shape.slots_per_gpu);
  const auto row_of = [&](std::int32_t gpu) {
    return rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(gpu) * slots);
  };
  const auto end_of = [&](std::int32_t gpu) { return row_of(gpu) + shape.slots_per_gpu; };
  std::vector<std::vector<std::int32_t>> gpus_with(slots + 1);  // by vacant slots, descending
  for (int gpu = shape.ranks() - 1; gpu >= 0; --gpu) {
    gpus_with[static_cast<std::size_t>(std::count(row_of(gpu), end_of(gpu), kVacant))].push_back(
        gpu);
  }
  std::size_t vacant = slots;
  for (std::size_t e = 0; e < replicas.size(); ++e) {
    for (auto left = replicas[e] - static_cast<std::int32_t>(layer.gpus[e].size()); left > 0;
         --left) {
      while (gpus_with[vacant].empty()) --vacant;
      const auto gpu = gpus_with[vacant].back();
      gpus_with[vacant].pop_back();
      *std::find(row_of(gpu), end_of(gpu), kVacant) = static_cast<std::int32_t>(e);
      std::sort(row_of(gpu), std::find(row_of(gpu), end_of(gpu), kVacant));
      gpus_with[vacant - 1].push_back(gpu);
    }
  }
}

/// Core plans (placement.md §6, §7): every expert of every layer is on one whole node set of a
/// common family. Counts of the allocation of the same name give its plan; other counts the plan on
/// the cores that they allow.
class CoreHosts final : public JointPlacement {
 public:
  explicit CoreHosts(CoreOptions options) : options_(options) {}

  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kDomainPlan}, .needs = {}};
  }
  bool decides_gpus() const override { return true; }

  std::variant<LayerRows, Infeasible> place_layers(
      const PlacementShape& shape, std::span<const std::vector<std::int32_t>> replicas,
      const LoadMatrix& loads, Rng& rng) const override {
    (void)rng;
    for (std::size_t l = 0; l < replicas.size(); ++l) {
      if (const auto reason = refuse_replicas(shape, replicas[l])) {
        if (replicas.size() == 1) return *reason;
        return Infeasible{fmt::format("layer {}: {}", l, reason->reason)};
      }
    }
    const auto free_plan = core_plan(shape, loads, options_);
    const auto counts = free_plan.replicas();
    if (std::equal(counts.begin(), counts.end(), replicas.begin(), replicas.end())) {
      return free_plan.rows(shape);
    }
    const auto plan = bounded_core_plan(shape, loads, replicas);
    auto rows = plan.rows(shape);
    for (std::size_t l = 0; l < rows.size(); ++l) {
      put_copies(shape, replicas[l], plan.layers[l], rows[l]);
    }
    return rows;
  }

 private:
  CoreOptions options_;
};

const bool registered = placements().add({
    .name = "core",
    .summary = "every expert on one whole node set of a common family (core plans)",
    .make = [](ObjectReader& options) -> std::unique_ptr<Placement> {
      return std::make_unique<CoreHosts>(read_core_options(options));
    },
});

}  // namespace
}  // namespace bethany
