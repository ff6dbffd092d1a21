#include "sim/placement/recovery_conditions.h"

#include <algorithm>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The sets over the other nodes once `node` is known to live or to be lost, numbered without it.
std::vector<HostSet> decided_sets(const std::vector<HostSet>& sets, std::int32_t node, bool lost) {
  std::vector<HostSet> rest;
  for (const auto& set : sets) {
    const bool has = std::binary_search(set.begin(), set.end(), node);
    if (has && !lost) continue;
    rest.emplace_back();
    for (const std::int32_t other : set) {
      if (other != node) rest.back().push_back(other > node ? other - 1 : other);
    }
  }
  return minimal_sets(std::move(rest));
}

/// P(loss) by k over the other nodes.
std::optional<std::vector<double>> decided_losses(int others, const std::vector<HostSet>& sets,
                                                  int k_max, const ExactOptions& options) {
  const auto size = static_cast<std::size_t>(k_max) + 1;
  if (sets.empty()) return std::vector<double>(size, 0.0);
  if (sets.front().empty()) return std::vector<double>(size, 1.0);
  auto curve = recovery_curve(others, sets, k_max, options);
  if (!curve) return std::nullopt;
  return std::move(curve->loss);
}

std::optional<double> decided_loss(const std::vector<double>& rates,
                                   const std::vector<HostSet>& sets, const ExactOptions& options) {
  if (sets.empty()) return 0.0;
  if (sets.front().empty()) return 1.0;
  const auto rated = rated_recovery(rates, sets, options);
  if (!rated) return std::nullopt;
  return rated->loss;
}

/// The sets that each node is in.
std::vector<std::vector<std::int32_t>> sets_by_node(int nodes, const std::vector<HostSet>& sets) {
  std::vector<std::vector<std::int32_t>> of(static_cast<std::size_t>(nodes));
  for (std::size_t s = 0; s < sets.size(); ++s) {
    for (const std::int32_t node : sets[s]) {
      of[static_cast<std::size_t>(node)].push_back(static_cast<std::int32_t>(s));
    }
  }
  return of;
}

}  // namespace

std::vector<HostSet> minimal_sets(std::vector<HostSet> sets) {
  std::sort(sets.begin(), sets.end(), [](const HostSet& a, const HostSet& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  std::vector<HostSet> minimal;
  for (auto& set : sets) {
    const bool contains = std::any_of(minimal.begin(), minimal.end(), [&](const HostSet& small) {
      return std::includes(set.begin(), set.end(), small.begin(), small.end());
    });
    if (!contains) minimal.push_back(std::move(set));
  }
  return minimal;
}

std::vector<HostSet> sets_of_units(const std::vector<HostSet>& sets,
                                   const std::vector<std::int32_t>& unit_of) {
  std::vector<HostSet> of_units;
  for (const auto& set : sets) {
    HostSet units;
    for (const std::int32_t node : set) units.push_back(unit_of[static_cast<std::size_t>(node)]);
    std::sort(units.begin(), units.end());
    units.erase(std::unique(units.begin(), units.end()), units.end());
    if (!units.empty() && units.front() < 0) continue;
    of_units.push_back(std::move(units));
  }
  return minimal_sets(std::move(of_units));
}

std::optional<std::vector<std::vector<double>>> importance_by_losses(
    int nodes, const std::vector<HostSet>& sets, int k_max, const ExactOptions& options) {
  BETHANY_CHECK(k_max >= 0 && k_max <= nodes, "{} losses of {} nodes", k_max, nodes);
  std::vector<std::vector<double>> importance(static_cast<std::size_t>(k_max) + 1);
  for (int k = 1; k <= std::min(k_max, nodes - 1); ++k) {
    importance[static_cast<std::size_t>(k)].resize(static_cast<std::size_t>(nodes));
  }
  const auto sets_of = sets_by_node(nodes, sets);
  const ExactOptions each{options.method, options.work / std::max(1, 2 * nodes)};
  for (std::int32_t node = 0; node < nodes; ++node) {
    const auto n = static_cast<std::size_t>(node);
    // Nodes in the same sets are alike.
    const auto twin = std::find(sets_of.begin(), sets_of.begin() + node, sets_of[n]);
    if (twin != sets_of.begin() + node) {
      for (auto& row : importance) {
        if (!row.empty()) row[n] = row[static_cast<std::size_t>(twin - sets_of.begin())];
      }
      continue;
    }
    const auto alive = decided_losses(nodes - 1, decided_sets(sets, node, false), k_max, each);
    const auto lost = decided_losses(nodes - 1, decided_sets(sets, node, true), k_max, each);
    if (!alive || !lost) return std::nullopt;
    for (std::size_t k = 1; k < importance.size(); ++k) {
      if (!importance[k].empty()) importance[k][n] = (*lost)[k - 1] - (*alive)[k];
    }
  }
  return importance;
}

std::optional<std::vector<double>> importance_by_rates(const std::vector<double>& rates,
                                                       const std::vector<HostSet>& sets,
                                                       const ExactOptions& options) {
  std::vector<double> importance;
  const auto nodes = static_cast<std::int64_t>(rates.size());
  const ExactOptions each{options.method, options.work / std::max<std::int64_t>(1, 2 * nodes)};
  for (std::size_t n = 0; n < rates.size(); ++n) {
    auto others = rates;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(n));
    const auto node = static_cast<std::int32_t>(n);
    const auto alive = decided_loss(others, decided_sets(sets, node, false), each);
    const auto lost = decided_loss(others, decided_sets(sets, node, true), each);
    if (!alive || !lost) return std::nullopt;
    importance.push_back(*lost - *alive);
  }
  return importance;
}

}  // namespace bethany
