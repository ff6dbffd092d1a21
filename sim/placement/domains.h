#pragma once

#include <cstdint>
#include <vector>

#include "sim/model/plan_file.h"

namespace bethany {

/// The domain of each of `nodes` nodes, numbered 0, 1, … by first node, as
/// PlacementShape::domain_of_node wants them. Of a tree the outermost level with several domains
/// counts: what lies in different outer domains lies in different inner ones too. A node in none is
/// a domain of its own. Empty when `tree` is.
std::vector<std::int32_t> domain_of_nodes(const std::vector<PlanDomain>& tree, int nodes);

/// The same domains of only these nodes, numbered 0, 1, … by first of them.
std::vector<std::int32_t> domains_among(const std::vector<std::int32_t>& domain_of_node,
                                        const std::vector<std::int32_t>& nodes);

}  // namespace bethany
