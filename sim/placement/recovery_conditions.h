#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// The sets that no other one lies within, each once, by size and content: what
/// minimal_host_sets() promises, for sets of any origin.
std::vector<HostSet> minimal_sets(std::vector<HostSet> sets);

/// The sets in terms of units that are lost whole, such as failure domains: an expert is lost when
/// every unit that holds one of its hosts is. Hosts in no unit are never lost, nor is their expert.
/// Minimal; empty when no loss of units is fatal. `unit_of`: of each node; -1: none.
std::vector<HostSet> sets_of_units(const std::vector<HostSet>& sets,
                                   const std::vector<std::int32_t>& unit_of);

/// Birnbaum's importance of each node at k = 0..k_max losses: P(recover | k lost, the node is not)
/// less P(recover | k lost, the node is one of them), over uniform losses. [k][node]; no entries at
/// k = 0 and k = nodes, where one of the two cannot be. Empty when one of the nodes cannot be
/// afforded: `options.work` is for all nodes together.
/// Requires: sets as minimal_host_sets() gives them; k_max <= nodes.
std::optional<std::vector<std::vector<double>>> importance_by_losses(
    int nodes, const std::vector<HostSet>& sets, int k_max, const ExactOptions& options = {});

/// The same for independent losses: P(recover | the node lives) less P(recover | it is lost), which
/// is the derivative of P(loss) by the node's rate.
std::optional<std::vector<double>> importance_by_rates(const std::vector<double>& rates,
                                                       const std::vector<HostSet>& sets,
                                                       const ExactOptions& options = {});

}  // namespace bethany
