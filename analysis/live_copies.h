#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "sim/base/ids.h"
#include "sim/model/plan.h"

namespace bethany {

/// An expert of a layer.
struct ExpertState {
  int layer = 0;
  int expert = 0;
};

/// What losing some machines took from a configuration. A copy is a machine that holds the expert,
/// however many of its slots do.
struct CopiesLost {
  std::int64_t copies = 0;
  std::int64_t experts = 0;       // experts of layers that lost a copy
  int layers = 0;                 // in which they are
  std::vector<ExpertState> gone;  // no copy is left, by layer, then expert
};

/// Counts on how many machines each expert lives, from the configuration in force and the losses
/// since. Empty while there is no plan.
class LiveCopies {
 public:
  /// The configuration that was completed. Machines are those of the plan's places.
  void configure(std::shared_ptr<const PlacementPlan> plan, const std::vector<NodeId>& machines);
  /// Machines that hold nothing are ignored.
  CopiesLost lose(const std::vector<NodeId>& machines);

  bool known() const { return plan_ != nullptr; }
  /// The fewest machines that any expert lives on. Requires: known().
  int least() const;
  /// The first expert with least() copies. Requires: known().
  ExpertState rarest() const;

 private:
  std::size_t index_of(int layer, std::int32_t expert) const;

  std::shared_ptr<const PlacementPlan> plan_;
  std::map<NodeId, int> place_of_;    // of machines that still hold what they held
  std::vector<std::int32_t> copies_;  // [layer · experts + expert]
};

}  // namespace bethany
