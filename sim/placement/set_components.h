#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/placement/recovery.h"

namespace bethany {

/// Sets that share nodes, directly or through others, with the nodes numbered anew from 0.
struct Component {
  int nodes = 0;
  std::vector<std::int32_t> members;  // the nodes by their own numbers, ascending
  std::vector<HostSet> sets;
};

struct Components {
  std::vector<Component> parts;
  int free_nodes = 0;  // in no set
};

/// Requires: nodes of the sets in 0..nodes-1, no set empty.
Components components_of(int nodes, const std::vector<HostSet>& sets);

/// C(n, k) for k = 0..min(n, k_max); empty when one of them passes 128 bits.
std::optional<std::vector<UInt128>> binomials(int n, int k_max);

}  // namespace bethany
