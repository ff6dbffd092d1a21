#include "sim/placement/overlapping_family.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sim/base/object_reader.h"
#include "sim/placement/recovery.h"

namespace bethany {
namespace {

using Counts = std::vector<std::int32_t>;

constexpr int kQuickNodes = 12;
constexpr int kMostNodes = 20;
constexpr int kMostExperts = 64;

bool tried(const PlacementShape& shape, Overlaps which) {
  const int slots = shape.slots_per_node();
  if (shape.gpus_per_node > 1) return false;  // lanes of a set would need the same GPU everywhere
  if (shape.experts <= slots || shape.experts % slots == 0) return false;  // full groups are best
  if (which == Overlaps::quick) return shape.nodes <= kQuickNodes && shape.experts < 2 * slots;
  return shape.nodes <= kMostNodes && shape.experts <= kMostExperts;
}

/// Counts that differ by at most one, at most a replica on every node; and, where there is room,
/// the two last with one more that two of the upper half give up.
std::vector<Counts> near_uniform(const PlacementShape& shape) {
  const auto experts = static_cast<std::size_t>(shape.experts);
  const auto least = static_cast<std::int32_t>(shape.slots() / shape.experts);
  Counts counts(experts, std::min(least, shape.nodes));
  if (least >= shape.nodes) return {counts};
  const auto more = static_cast<std::size_t>(shape.slots() % shape.experts);
  for (std::size_t i = experts - more; i < experts; ++i) ++counts[i];
  std::vector<Counts> all{counts};
  if (more < 4 || least + 1 >= shape.nodes) return all;
  counts[experts - more] -= 1;
  counts[experts - more + 1] -= 1;
  counts[experts - 1] += 1;
  counts[experts - 2] += 1;
  all.push_back(std::move(counts));
  return all;
}

/// The lanes and sets of a layer's rows.
CoreFamily family_of(const PlacementShape& shape, const Counts& counts, Counts rows) {
  const auto slots = static_cast<std::size_t>(shape.slots_per_node());
  std::vector<HostSet> hosts(counts.size());
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (rows[slot] == kVacant) continue;
    auto& nodes = hosts[static_cast<std::size_t>(rows[slot])];
    const auto node = static_cast<std::int32_t>(slot / slots);
    if (nodes.empty() || nodes.back() != node) nodes.push_back(node);
  }
  std::map<std::pair<std::size_t, HostSet>, std::int32_t> alike;
  for (auto& nodes : hosts) ++alike[{nodes.size(), nodes}];
  CoreFamily family;
  for (const auto& [set, count] : alike) family.lanes.push_back({set.second, count});

  PlacementPlan plan{.nodes = shape.nodes,
                     .gpus_per_node = 1,
                     .slots_per_node = shape.slots_per_node(),
                     .experts = shape.experts,
                     .layers = {}};
  plan.layers.push_back({counts, std::move(rows)});
  family.sets = minimal_host_sets(plan);
  return family;
}

bool disjoint(const CoreFamily& family, int nodes) {
  std::vector<char> seen(static_cast<std::size_t>(nodes));
  for (const auto& set : family.sets) {
    for (const auto node : set) {
      if (std::exchange(seen[static_cast<std::size_t>(node)], 1) != 0) return false;
    }
  }
  return true;
}

}  // namespace

std::vector<CoreFamily> overlapping_families(const PlacementShape& shape, Overlaps which) {
  std::vector<CoreFamily> families;
  const auto* entry = placements().find("mro+");
  if (entry == nullptr || !tried(shape, which)) return families;
  const JsonNode no_options;
  ObjectReader options(no_options, "");
  const auto placement = entry->make(options);
  const std::vector<std::int64_t> loads(static_cast<std::size_t>(shape.experts), 1);
  Rng rng = RngStreams(0, 0).stream("core");  // mro+ draws nothing
  for (const auto& counts : near_uniform(shape)) {
    auto placed = placement->place(shape, counts, loads, rng);
    auto* rows = std::get_if<Counts>(&placed);
    if (rows == nullptr) continue;
    auto family = family_of(shape, counts, std::move(*rows));
    const auto curve = recovery_curve(shape.nodes, family.sets, recovery_depth(shape.nodes));
    if (!curve || disjoint(family, shape.nodes)) continue;
    family.recovery = curve->probability;
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace bethany
