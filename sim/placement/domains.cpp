#include "sim/placement/domains.h"

#include <map>
#include <numeric>

namespace bethany {

std::vector<std::int32_t> domain_of_nodes(const std::vector<PlanDomain>& tree, int nodes) {
  if (tree.empty()) return {};
  const auto* level = &tree;
  while (level->size() == 1 && !level->front().domains.empty()) level = &level->front().domains;
  std::vector<std::int32_t> domain_of(static_cast<std::size_t>(nodes));
  std::iota(domain_of.begin(), domain_of.end(), static_cast<std::int32_t>(level->size()));
  std::int32_t id = 0;
  for (const auto& domain : *level) {
    for (const std::int32_t node : nodes_of(domain)) domain_of[static_cast<std::size_t>(node)] = id;
    ++id;
  }
  std::vector<std::int32_t> all(domain_of.size());
  std::iota(all.begin(), all.end(), 0);
  return domains_among(domain_of, all);
}

std::vector<std::int32_t> domains_among(const std::vector<std::int32_t>& domain_of_node,
                                        const std::vector<std::int32_t>& nodes) {
  std::map<std::int32_t, std::int32_t> numbers;
  std::vector<std::int32_t> result;
  result.reserve(nodes.size());
  for (const std::int32_t node : nodes) {
    const std::int32_t domain = domain_of_node[static_cast<std::size_t>(node)];
    const auto next = static_cast<std::int32_t>(numbers.size());
    result.push_back(numbers.emplace(domain, next).first->second);
  }
  return result;
}

}  // namespace bethany
