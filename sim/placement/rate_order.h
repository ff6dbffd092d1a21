#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// Which node takes which place of a plan when nodes fail at rates of their own.
struct RateOrder {
  std::vector<std::int32_t> node_of_place;
  RatedRecovery before;  // each place on the node of its number
  RatedRecovery after;
};

/// Looks for the order of nodes in which the plan is lost least often when node v is lost with
/// probability rates[v], independently of the others: a permutation of nodes changes nothing of
/// what k uniform losses survive, so this costs nothing there. With `domain_of_node`, nodes are
/// exchanged only within their failure domain, which leaves what whole domains survive.
///
/// The exchange of two nodes that lowers P(loss) most, ties to the lowest, until none does: from
/// the order as it is and, without domains, from the one that gives the most reliable nodes to the
/// places that matter most (Birnbaum importance at the mean rate). The better result is returned,
/// ties to the first. No proof that it is the least. Of nodes with equal rates and of places in the
/// same host sets only one pair is tried. At most 20,000 probabilities are computed.
///
/// Empty when the exact probability is not affordable within 2^20 steps (ExactOptions::work).
/// Requires: a rate in 0..1 for each node; domain_of_node empty or of as many nodes.
std::optional<RateOrder> order_by_rates(const std::vector<HostSet>& sets,
                                        const std::vector<double>& rates,
                                        std::span<const std::int32_t> domain_of_node);

}  // namespace bethany
