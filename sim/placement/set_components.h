#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// Sets that share nodes, directly or through others, with the nodes numbered anew from 0.
struct Component {
  int nodes = 0;
  std::vector<HostSet> sets;
};

struct Components {
  std::vector<Component> parts;
  int free_nodes = 0;  // in no set
};

/// Requires: nodes of the sets in 0..nodes-1, no set empty.
Components components_of(int nodes, const std::vector<HostSet>& sets);

/// Whether survivors of the component can be counted: one set, few sets or few nodes.
bool affordable(const Component& part);

/// C(n, k) for k = 0..min(n, k_max); empty when one of them passes 128 bits.
std::optional<std::vector<UInt128>> binomials(int n, int k_max);

/// survive(k) of the component for k = 0..min(nodes, k_max); empty when a C(nodes, k) passes 128
/// bits. Requires: affordable.
std::optional<std::vector<UInt128>> component_survivors(const Component& part, int k_max);

/// The same over C(nodes, k), in doubles, for any size; error about 1e-11. Requires: affordable.
std::vector<double> component_probabilities(const Component& part, int k_max);

}  // namespace bethany
