#include "sim/placement/set_components.h"

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"

namespace bethany {
namespace {

std::int32_t root_of(std::vector<std::int32_t>& parent, std::int32_t node) {
  while (parent[static_cast<std::size_t>(node)] != node) {
    auto& up = parent[static_cast<std::size_t>(node)];
    up = parent[static_cast<std::size_t>(up)];
    node = up;
  }
  return node;
}

}  // namespace

Components components_of(int nodes, const std::vector<HostSet>& sets) {
  std::vector<std::int32_t> parent(static_cast<std::size_t>(nodes));
  std::iota(parent.begin(), parent.end(), 0);
  std::vector<std::uint8_t> used(static_cast<std::size_t>(nodes));
  for (const auto& set : sets) {
    BETHANY_CHECK(!set.empty(), "an expert without a host");
    for (const std::int32_t node : set) {
      used[static_cast<std::size_t>(node)] = 1;
      const auto a = root_of(parent, set.front());
      const auto b = root_of(parent, node);
      parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  Components result;
  std::vector<std::int32_t> part_of_root(static_cast<std::size_t>(nodes), -1);
  std::vector<std::int32_t> number(static_cast<std::size_t>(nodes));
  for (std::int32_t node = 0; node < nodes; ++node) {
    if (used[static_cast<std::size_t>(node)] == 0) {
      ++result.free_nodes;
      continue;
    }
    auto& part = part_of_root[static_cast<std::size_t>(root_of(parent, node))];
    if (part < 0) {
      part = static_cast<std::int32_t>(result.parts.size());
      result.parts.emplace_back();
    }
    auto& holder = result.parts[static_cast<std::size_t>(part)];
    number[static_cast<std::size_t>(node)] = holder.nodes++;
    holder.members.push_back(node);
  }
  for (const auto& set : sets) {
    const auto root = static_cast<std::size_t>(root_of(parent, set.front()));
    HostSet renumbered;
    renumbered.reserve(set.size());
    for (const std::int32_t node : set) {
      renumbered.push_back(number[static_cast<std::size_t>(node)]);
    }
    result.parts[static_cast<std::size_t>(part_of_root[root])].sets.push_back(
        std::move(renumbered));
  }
  return result;
}

std::optional<std::vector<UInt128>> binomials(int n, int k_max) {
  std::vector<UInt128> row{1};
  for (int k = 1; k <= std::min(n, k_max); ++k) {
    // C(n, k) = C(n, k-1) · (n-k+1) / k, divided before it is multiplied.
    const auto factor = static_cast<std::uint64_t>(n - k + 1);
    const auto divisor = static_cast<std::uint64_t>(k);
    if (row.back() <= UINT64_MAX / factor) {  // without the slow division of 128 bits
      row.push_back(static_cast<std::uint64_t>(row.back()) * factor / divisor);
      continue;
    }
    const auto common = std::gcd(static_cast<std::uint64_t>(row.back() % divisor), divisor);
    const UInt128 rest = row.back() / common;
    const UInt128 times = factor / (divisor / common);
    if (rest > ~UInt128{0} / times) return std::nullopt;
    row.push_back(rest * times);
  }
  return row;
}

}  // namespace bethany
