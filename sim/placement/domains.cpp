#include "sim/placement/domains.h"

#include <map>
#include <numeric>

namespace bethany {
namespace {

void mark(const PlanDomain& domain, std::int32_t id, std::vector<std::int32_t>& domain_of) {
  for (const std::int32_t node : domain.nodes) {
    if (node < static_cast<std::int32_t>(domain_of.size())) {
      domain_of[static_cast<std::size_t>(node)] = id;
    }
  }
  for (const auto& inner : domain.domains) mark(inner, id, domain_of);
}

}  // namespace

std::vector<std::int32_t> domain_of_nodes(const std::vector<PlanDomain>& tree, int nodes) {
  if (tree.empty()) return {};
  const auto* level = &tree;
  while (level->size() == 1 && !level->front().domains.empty()) level = &level->front().domains;
  std::vector<std::int32_t> domain_of(static_cast<std::size_t>(nodes));
  std::iota(domain_of.begin(), domain_of.end(), static_cast<std::int32_t>(level->size()));
  std::int32_t id = 0;
  for (const auto& domain : *level) mark(domain, id++, domain_of);
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
