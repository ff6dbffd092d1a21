#include "sim/placement/core_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "sim/base/check.h"

namespace bethany {
namespace {

using Sizes = std::vector<std::int32_t>;

/// Losses beyond which families of the same curve count as equally good.
constexpr int kRecoveryDepth = 16;
/// Groups for which uneven sizes are tried: with more groups one node more or less matters little.
constexpr int kUnevenGroups = 4;
/// Up to this many nodes one node more or less in a group counts.
constexpr int kFewNodes = 64;

/// Nodes in the order in which they are dealt: domain after domain, the largest first.
HostSet nodes_by_domain(int nodes, std::span<const std::int32_t> domain_of_node) {
  HostSet order(static_cast<std::size_t>(nodes));
  std::iota(order.begin(), order.end(), 0);
  std::map<std::int32_t, std::int32_t> size;
  for (const auto domain : domain_of_node) ++size[domain];
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    const auto domain_a = domain_of_node[static_cast<std::size_t>(a)];
    const auto domain_b = domain_of_node[static_cast<std::size_t>(b)];
    if (size[domain_a] != size[domain_b]) return size[domain_a] > size[domain_b];
    return domain_a < domain_b;
  });
  return order;
}

/// The nodes of each group. With domains a node after the other goes to the group with the fewest
/// nodes of its domain, ties to the one with the most room.
std::vector<HostSet> deal(int nodes, const Sizes& sizes,
                          std::span<const std::int32_t> domain_of_node) {
  std::vector<HostSet> groups(sizes.size());
  if (domain_of_node.empty()) {
    std::int32_t node = 0;
    for (std::size_t g = 0; g < sizes.size(); ++g) {
      groups[g].resize(static_cast<std::size_t>(sizes[g]));
      std::iota(groups[g].begin(), groups[g].end(), node);
      node += sizes[g];
    }
    return groups;
  }
  // The nodes in no group count as a group: it must not take a domain from all others.
  std::vector<std::int32_t> left = sizes;
  left.push_back(nodes - std::accumulate(sizes.begin(), sizes.end(), std::int32_t{0}));
  groups.emplace_back();
  std::vector<std::int32_t> in_domain(groups.size());
  std::int32_t domain = -1;
  for (const std::int32_t node : nodes_by_domain(nodes, domain_of_node)) {
    const auto of_node = domain_of_node[static_cast<std::size_t>(node)];
    if (of_node != domain) std::fill(in_domain.begin(), in_domain.end(), 0);
    domain = of_node;
    std::size_t best = groups.size();
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (left[g] == 0) continue;
      if (best == groups.size() || in_domain[g] < in_domain[best] ||
          (in_domain[g] == in_domain[best] && left[g] > left[best])) {
        best = g;
      }
    }
    groups[best].push_back(node);
    ++in_domain[best];
    --left[best];
  }
  groups.pop_back();
  for (auto& group : groups) std::sort(group.begin(), group.end());
  return groups;
}

Sizes near_equal(std::int32_t nodes, std::int32_t groups) {
  Sizes sizes(static_cast<std::size_t>(groups), nodes / groups);
  for (std::int32_t i = 0; i < nodes % groups; ++i) ++sizes[sizes.size() - 1 - std::size_t(i)];
  return sizes;
}

/// Steps away from 0 up to about `unit`: small ones count only where nodes are few.
std::set<std::int32_t> steps(std::int32_t unit, int nodes) {
  std::set<std::int32_t> all{0, unit / 8, unit / 4, unit / 2};
  if (nodes <= kFewNodes) all.insert({1, 2});
  return all;
}

/// Numbers of groups from the least possible on.
std::set<std::int32_t> group_counts(int nodes, std::int32_t least) {
  std::set<std::int32_t> counts{std::min(2 * least, nodes)};
  for (const auto more : steps(least, nodes)) counts.insert(std::min(least + more, nodes));
  return counts;
}

std::set<Sizes> sizes_to_try(int nodes, std::int32_t least_groups) {
  std::set<Sizes> all;
  for (const std::int32_t groups : group_counts(nodes, least_groups)) {
    auto outside_counts = steps(nodes, nodes);
    if (nodes < 2 * groups) outside_counts.insert(nodes - groups);
    for (const auto outside : outside_counts) {
      if (outside > nodes - groups) continue;
      auto sizes = near_equal(nodes - outside, groups);
      all.insert(sizes);
      if (groups < 2 || groups > kUnevenGroups || sizes.front() < 2) continue;
      --sizes.front();
      ++sizes.back();
      all.insert(std::move(sizes));
    }
  }
  return all;
}

}  // namespace

bool survives_more(const CoreFamily& a, const CoreFamily& b) {
  if (a.recovery != b.recovery) return a.recovery > b.recovery;
  const auto least_a = a.sets.front().size();
  const auto least_b = b.sets.front().size();
  return least_a != least_b ? least_a > least_b : a.sets.size() < b.sets.size();
}

int recovery_depth(int nodes) { return std::min(nodes, kRecoveryDepth); }

std::string CoreFamily::name() const {
  std::int64_t nodes = 0;
  std::set<std::int32_t> covered;
  for (const auto& set : sets) {
    nodes += static_cast<std::int64_t>(set.size());
    covered.insert(set.begin(), set.end());
  }
  if (nodes > static_cast<std::int64_t>(covered.size())) {
    return fmt::format("{} sets of {}..{}", sets.size(), sets.front().size(), sets.back().size());
  }
  std::string text;
  for (std::size_t i = 0; i < sets.size();) {
    std::size_t end = i;
    while (end < sets.size() && sets[end].size() == sets[i].size()) ++end;
    const std::string plus = text.empty() ? "" : "+";
    if (end - i > 3) {
      text += fmt::format("{}{}x{}", plus, end - i, sets[i].size());
    } else {
      for (std::size_t j = i; j < end; ++j) {
        text += fmt::format("{}{}", j == i ? plus : "+", sets[j].size());
      }
    }
    i = end;
  }
  return text;
}

CoreFamily disjoint_family(int nodes, int slots, std::vector<std::int32_t> sizes,
                           std::span<const std::int32_t> domain_of_node) {
  std::sort(sizes.begin(), sizes.end());
  BETHANY_CHECK(!sizes.empty() && sizes.front() > 0 &&
                    std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) <= nodes,
                "{} groups on {} nodes", sizes.size(), nodes);
  CoreFamily family;
  family.sets = deal(nodes, sizes, domain_of_node);
  for (const auto& set : family.sets) family.lanes.push_back({set, slots});
  const auto curve = recovery_curve(nodes, family.sets, recovery_depth(nodes));
  BETHANY_CHECK(curve.has_value(), "no exact curve for disjoint groups");
  family.recovery = curve->probability;
  return family;
}

std::vector<CoreFamily> disjoint_families(int nodes, int slots, int experts,
                                          std::span<const std::int32_t> domain_of_node) {
  const std::int32_t least = (experts + slots - 1) / slots;
  BETHANY_CHECK(least <= nodes, "{} groups of {} slots on {} nodes", least, slots, nodes);
  std::vector<CoreFamily> families;
  for (const auto& sizes : sizes_to_try(nodes, least)) {
    families.push_back(disjoint_family(nodes, slots, sizes, domain_of_node));
  }
  // The set is in order of sizes: a stable sort makes ties reproducible.
  std::stable_sort(families.begin(), families.end(), survives_more);
  return families;
}

std::vector<std::int32_t> core_sizes_of_counts(
    int nodes, int slots, std::span<const std::vector<std::int32_t>> replicas) {
  Sizes cores;
  for (auto counts : replicas) {
    std::sort(counts.begin(), counts.end());
    Sizes sizes;
    std::int32_t left = nodes;
    for (std::size_t first = 0; first < counts.size(); first += static_cast<std::size_t>(slots)) {
      sizes.push_back(std::min(counts[first], left));
      left -= sizes.back();
    }
    std::sort(sizes.begin(), sizes.end());
    if (cores.empty()) cores = sizes;
    for (std::size_t i = 0; i < cores.size(); ++i) cores[i] = std::min(cores[i], sizes[i]);
  }
  return cores;
}

}  // namespace bethany
