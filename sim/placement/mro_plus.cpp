#include <algorithm>
#include <numeric>
#include <utility>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"
#include "sim/placement/expert_order.h"
#include "sim/placement/overlap_starts.h"
#include "sim/placement/parts.h"
#include "sim/placement/survival_bound.h"
#include "sim/placement/survival_order.h"
#include "sim/placement/survival_search.h"

namespace bethany {
namespace {

/// Word steps of all local searches of one question, some tenths of a second.
constexpr std::int64_t kSearchWork = 60'000'000;

/// The placements whose recovery is never undercut.
constexpr std::string_view kBaselines[] = {"mro", "spread", "packed"};

/// A candidate with its profile.
struct Candidate {
  HostPlan plan;
  SurvivalProfile profile;

  explicit Candidate(HostPlan of) : plan(std::move(of)), profile(plan.host_bits()) {}
};

std::unique_ptr<Placement> part_named(std::string_view name) {
  const auto* entry = placements().find(name);
  if (entry == nullptr) return nullptr;
  const JsonNode none;
  ObjectReader options(none, "");
  return entry->make(options);
}

/// mro+ (placement.md §4): the plan of lexicographically largest survival counts that the starts
/// and a local search find; MRO itself where its groups fit, which is best for every number of
/// losses (§2). Never below mro, spread and packed as far as the counts are affordable
/// (survival_order.h).
class LargestSurvival final : public Placement {
 public:
  Capabilities capabilities() const override { return {.gives = {kAnyNodeCount}, .needs = {}}; }

  std::variant<std::vector<std::int32_t>, Infeasible> place(const PlacementShape& shape,
                                                            std::span<const std::int32_t> replicas,
                                                            std::span<const std::int64_t> loads,
                                                            Rng& rng) const override {
    if (auto reason = refuse_replicas(shape, replicas)) return *reason;
    return rows_of_layer(shape, replicas, loads, rng, kSearchWork);
  }

 private:
  static std::vector<std::int32_t> rows_of_layer(const PlacementShape& shape,
                                                 std::span<const std::int32_t> replicas,
                                                 std::span<const std::int64_t> loads, Rng& rng,
                                                 std::int64_t work) {
    const auto sizes = group_representatives(replicas, shape.slots_per_node());
    if (std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) <= shape.nodes) {
      return std::get<std::vector<std::int32_t>>(
          part_named("mro")->place(shape, replicas, loads, rng));
    }
    const auto order = ascending_experts(replicas, loads);
    std::vector<std::int32_t> ascending;
    for (const std::int32_t e : order) ascending.push_back(replicas[static_cast<std::size_t>(e)]);

    std::vector<Candidate> candidates;
    for (const std::string_view name : kBaselines) {
      const auto part = part_named(name);
      if (part == nullptr) continue;
      auto placed = part->place(shape, replicas, loads, rng);
      const auto* rows = std::get_if<std::vector<std::int32_t>>(&placed);
      if (rows == nullptr) continue;
      candidates.emplace_back(
          host_plan_of(shape.nodes, shape.slots_per_node(), ascending, order, *rows));
    }
    const std::size_t baselines = candidates.size();
    for (auto& start : overlap_starts(shape.nodes, shape.slots_per_node(), ascending)) {
      candidates.emplace_back(std::move(start));
    }
    auto rows = best_of(candidates, baselines, work).rows();
    for (auto& slot : rows) {
      if (slot != kVacant) slot = order[static_cast<std::size_t>(slot)];
    }
    return rows;
  }

  /// Improves the candidates, the best first, while work is left; the best of all.
  static HostPlan best_of(std::vector<Candidate>& candidates, std::size_t baselines,
                          std::int64_t work) {
    std::vector<std::size_t> best_first(candidates.size());
    std::iota(best_first.begin(), best_first.end(), std::size_t{0});
    // Insertion, because rank() may leave a pair open and is then no order to sort by.
    std::vector<std::size_t> ranked;
    for (const std::size_t i : best_first) {
      auto at = ranked.end();
      while (at != ranked.begin() &&
             rank(candidates[i].profile, candidates[*(at - 1)].profile) == Ranking::first) {
        --at;
      }
      ranked.insert(at, i);
    }
    Candidate best = candidates[ranked.front()];
    std::vector<HostBits> seen;
    for (const std::size_t i : ranked) {
      if (work <= 0) break;
      auto sets = minimal_sets(candidates[i].plan.host_bits());
      if (std::find(seen.begin(), seen.end(), sets) != seen.end()) continue;
      seen.push_back(std::move(sets));
      HostPlan climbing = candidates[i].plan;
      climb(climbing, work);
      Candidate improved(std::move(climbing));
      if (rank(improved.profile, best.profile) == Ranking::first) best = std::move(improved);
    }
    for (std::size_t i = 0; i < baselines;) {
      // A gain over a plan that was left open beside a baseline may still be below that baseline.
      if (rank(candidates[i].profile, best.profile) == Ranking::first) {
        best = candidates[i];
        i = 0;
      } else {
        ++i;
      }
    }
    return std::move(best.plan);
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
