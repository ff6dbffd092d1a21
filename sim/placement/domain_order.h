#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/placement/host_bits.h"
#include "sim/placement/parts.h"

namespace bethany {

/// Host sets that a domain failure (all its nodes at once) takes whole.
struct DomainExposure {
  int sets_inside = 0;    // host sets within one domain
  int fatal_domains = 0;  // domains that hold such a set: their loss is not survived

  auto operator<=>(const DomainExposure&) const = default;
};

/// Requires: a domain, from 0, for each node.
DomainExposure domain_exposure(const HostBits& sets, std::span<const std::int32_t> domain_of_node);

/// An order of nodes (node n becomes node result[n]) in which few host sets lie within one failure
/// domain, and then few domains hold one, so that the loss of a random domain is likely survived.
/// No order changes what survives k losses drawn uniformly. Nodes are dealt domain by domain, in
/// turn; then nodes of sets within one domain are exchanged while that is a gain. Never worse than
/// the order as it is; an exact minimum is not promised. Deterministic, within a fixed number of
/// steps.
std::vector<std::int32_t> cross_domains(const HostBits& sets,
                                        std::span<const std::int32_t> domain_of_node);

/// Gives the nodes of all layers such an order, one for all, for the host sets of all layers. Does
/// nothing unless the shape knows two domains.
void cross_domains(const PlacementShape& shape, LayerRows& layers);

}  // namespace bethany
