#pragma once

#include <optional>
#include <vector>

#include "sim/placement/recovery.h"
#include "sim/placement/set_components.h"

namespace bethany {

/// What becomes of a component, by number of its nodes lost, 0..min(nodes, k_max).
struct Survival {
  int nodes = 0;
  std::vector<double> survived;  // probabilities
  std::vector<double> fatal;     // 1 - survived, with its own relative precision
};

/// survive(k) of the component for k = 0..min(nodes, k_max), by the method of `options` or the one
/// that is found to be affordable. Empty when none is or when a C(nodes, k) passes 128 bits.
std::optional<std::vector<UInt128>> exact_counts(const Component& part, int k_max,
                                                 const ExactOptions& options);

/// The same as probabilities, for any size of component.
std::optional<Survival> exact_survival(const Component& part, int k_max,
                                       const ExactOptions& options);

/// P(survived) and P(fatal) when each node is lost with its own probability, independently.
std::optional<RatedRecovery> exact_rated(const Component& part, const std::vector<double>& rates,
                                         const ExactOptions& options);

}  // namespace bethany
