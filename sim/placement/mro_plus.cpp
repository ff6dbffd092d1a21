#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/domain_order.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/layer_survival.h"
#include "sim/placement/overlap_starts.h"
#include "sim/placement/parts.h"
#include "sim/placement/survival_bound.h"

namespace bethany {
namespace {

/// Word steps of all local searches of one question, up to about a tenth of a second. Of many nodes
/// a step takes longer and was not seen to gain over the starts.
constexpr std::int64_t kSearchWork = 20'000'000;
constexpr std::int64_t kSearchWorkOfMany = 2'000'000;
constexpr int kManyNodes = 64;

std::int64_t search_work(const PlacementShape& shape) {
  return shape.nodes > kManyNodes ? kSearchWorkOfMany : kSearchWork;
}

/// The placements whose recovery is never undercut.
constexpr std::string_view kBaselines[] = {"mro", "spread", "packed"};

using Counts = std::vector<std::int32_t>;

std::unique_ptr<Placement> part_named(std::string_view name) {
  const auto* entry = placements().find(name);
  if (entry == nullptr) return nullptr;
  const JsonNode none;
  ObjectReader options(none, "");
  return entry->make(options);
}

bool groups_fit(const PlacementShape& shape, std::span<const std::int32_t> replicas) {
  const auto sizes = group_representatives(replicas, shape.slots_per_node());
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) <= shape.nodes;
}

Counts in_order(std::span<const std::int32_t> replicas, std::span<const std::int32_t> order) {
  Counts ascending;
  ascending.reserve(order.size());
  for (const std::int32_t e : order) ascending.push_back(replicas[static_cast<std::size_t>(e)]);
  return ascending;
}

/// The rows of a plan of experts in ascending order, as rows of experts by id.
std::vector<std::int32_t> rows_by_id(const HostPlan& plan, std::span<const std::int32_t> order) {
  auto rows = plan.rows();
  for (auto& slot : rows) {
    if (slot != kVacant) slot = order[static_cast<std::size_t>(slot)];
  }
  return rows;
}

SurvivalProfile joint_profile(const PlacementShape& shape, const LayerRows& layers) {
  HostBits sets = empty_host_bits(shape.nodes, 0);
  for (const auto& rows : layers) {
    const auto of =
        minimal_sets(hosts_of_rows(shape.nodes, shape.slots_per_node(), shape.experts, rows));
    sets.bits.insert(sets.bits.end(), of.bits.begin(), of.bits.end());
  }
  return SurvivalProfile(sets);
}

/// mro+ (placement.md §4): the plan of lexicographically largest survival counts that the starts
/// and a local search find; MRO itself where its groups fit, which is best for every number of
/// losses (§2). As far as the counts are affordable (survival_order.h), it is never below mro,
/// spread and packed, and all layers together are never below the layers placed each alone, a
/// common core for all, or these three. So any loss of fewer than f nodes is survived whenever all
/// r_e >= f, as spread survives it. With failure domains the nodes are renumbered so that host sets
/// cross them (domain_order.h), which changes nothing of this.
class LargestSurvival final : public Placement {
 public:
  Capabilities capabilities() const override {
    return {.gives = {kAnyNodeCount, kDomainPlan}, .needs = {}};
  }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    LayerRows layer{rows_of_layer(shape, replicas, loads, rng)};
    cross_domains(shape, layer);
    return std::move(layer.front());
  }

  std::variant<LayerRows, Infeasible> place_layers(const PlacementShape& shape,
                                                   std::span<const Counts> replicas,
                                                   const LoadMatrix& loads,
                                                   Rng& rng) const override {
    if (replicas.size() < 2) return Placement::place_layers(shape, replicas, loads, rng);
    const auto fits = [&](const Counts& counts) { return groups_fit(shape, counts); };
    auto placed = part_named("mro")->place_layers(shape, replicas, loads, rng);
    auto* nested = std::get_if<LayerRows>(&placed);
    if (nested == nullptr) return placed;
    // Where all fit, nested groups survive most, each layer by itself and all of them together.
    if (!std::all_of(replicas.begin(), replicas.end(), fits)) {
      std::vector<LayerRows> choices;
      choices.push_back(around_core(shape, replicas, loads, rng));
      choices.push_back(each_alone(shape, replicas, loads, rng));
      choices.push_back(std::move(*nested));
      for (const std::string_view name : {"spread", "packed"}) {
        const auto part = part_named(name);
        if (part == nullptr) continue;
        auto rows = part->place_layers(shape, replicas, loads, rng);
        if (auto* layers = std::get_if<LayerRows>(&rows)) choices.push_back(std::move(*layers));
      }
      *nested = std::move(choices[best_together(shape, choices)]);
    }
    cross_domains(shape, *nested);
    return placed;
  }

 private:
  /// Rows of one layer, before nodes are renumbered.
  static std::vector<std::int32_t> rows_of_layer(const PlacementShape& shape,
                                                 std::span<const std::int32_t> replicas,
                                                 std::span<const std::int64_t> loads, Rng& rng) {
    if (groups_fit(shape, replicas)) {
      return std::get<std::vector<std::int32_t>>(
          part_named("mro")->place(shape, replicas, loads, rng));
    }
    const auto order = ascending_experts(replicas, loads);
    return rows_by_id(
        largest_survival(baselines(shape, replicas, loads, order, rng), search_work(shape)), order);
  }

  static std::vector<HostPlan> baselines(const PlacementShape& shape,
                                         std::span<const std::int32_t> replicas,
                                         std::span<const std::int64_t> loads,
                                         std::span<const std::int32_t> order, Rng& rng) {
    const auto ascending = in_order(replicas, order);
    std::vector<HostPlan> plans;
    for (const std::string_view name : kBaselines) {
      const auto part = part_named(name);
      if (part == nullptr) continue;
      auto placed = part->place(shape, replicas, loads, rng);
      // A baseline that cannot be had (packing by groups that do not divide) bounds nothing.
      const auto* rows = std::get_if<std::vector<std::int32_t>>(&placed);
      if (rows == nullptr) continue;
      plans.push_back(host_plan_of(shape.nodes, shape.slots_per_node(), ascending, order, *rows));
    }
    return plans;
  }

  /// Every layer by itself, in its own order of nodes. Layers of equal counts are searched once.
  static LayerRows each_alone(const PlacementShape& shape, std::span<const Counts> replicas,
                              const LoadMatrix& loads, Rng& rng) {
    std::map<Counts, std::optional<HostPlan>> by_counts;
    for (const auto& counts : replicas) {
      Counts ascending = counts;
      std::sort(ascending.begin(), ascending.end());
      by_counts.emplace(std::move(ascending), std::nullopt);
    }
    const auto work = search_work(shape) / static_cast<std::int64_t>(by_counts.size());
    LayerRows layers;
    for (std::size_t l = 0; l < replicas.size(); ++l) {
      const auto& counts = replicas[l];
      const auto row = loads.row(static_cast<int>(l));
      if (groups_fit(shape, counts)) {
        layers.push_back(rows_of_layer(shape, counts, row, rng));
        continue;
      }
      const auto order = ascending_experts(counts, row);
      auto plans = baselines(shape, counts, row, order, rng);
      auto& found = by_counts.at(in_order(counts, order));
      if (!found) found = largest_survival(plans, work);
      // Packing follows the loads, which may differ between layers of equal counts.
      plans.insert(plans.begin(), *found);
      std::vector<SurvivalProfile> profiles;
      for (const auto& plan : plans) profiles.emplace_back(plan.host_bits());
      layers.push_back(rows_by_id(plans[first_unbeaten(profiles)], order));
    }
    return layers;
  }

  /// One plan for the smallest of the layers' i-th counts, whose host sets every layer's i-th
  /// expert contains: all layers together survive at least what that plan survives.
  static LayerRows around_core(const PlacementShape& shape, std::span<const Counts> replicas,
                               const LoadMatrix& loads, Rng& rng) {
    Counts smallest;
    std::vector<Counts> orders;
    for (std::size_t l = 0; l < replicas.size(); ++l) {
      orders.push_back(ascending_experts(replicas[l], loads.row(static_cast<int>(l))));
      const auto ascending = in_order(replicas[l], orders.back());
      if (l == 0) smallest = ascending;
      for (std::size_t e = 0; e < smallest.size(); ++e) {
        smallest[e] = std::min(smallest[e], ascending[e]);
      }
    }
    Counts as_they_are(smallest.size());
    std::iota(as_they_are.begin(), as_they_are.end(), 0);
    const auto rows = rows_of_layer(shape, smallest, {}, rng);
    const auto core =
        host_plan_of(shape.nodes, shape.slots_per_node(), smallest, as_they_are, rows);
    LayerRows layers;
    for (std::size_t l = 0; l < replicas.size(); ++l) {
      HostPlan plan(shape.nodes, shape.slots_per_node(), in_order(replicas[l], orders[l]));
      for (int e = 0; e < plan.experts(); ++e) {
        for (int node = 0; node < shape.nodes; ++node) {
          if (core.hosts(e, node)) plan.add(e, node);
        }
      }
      plan.fill();
      layers.push_back(rows_by_id(plan, orders[l]));
    }
    return layers;
  }

  /// The choice of which all layers together survive most. The first two, the common core and every
  /// layer alone: the second when they survive the same, as its layers do not survive less each.
  static std::size_t best_together(const PlacementShape& shape,
                                   const std::vector<LayerRows>& choices) {
    std::vector<SurvivalProfile> profiles;
    for (const auto& layers : choices) profiles.push_back(joint_profile(shape, layers));
    const std::size_t best = first_unbeaten(profiles);
    return best == 0 && rank(profiles[0], profiles[1]) == Ranking::equal ? 1 : best;
  }
};

const bool registered = placements().add({
    .name = "mro+",
    .summary = "most losses survived: MRO where it fits, else overlapping host sets by search",
    .make = [](ObjectReader&) -> std::unique_ptr<Placement> {
      return std::make_unique<LargestSurvival>();
    },
});

}  // namespace
}  // namespace bethany
