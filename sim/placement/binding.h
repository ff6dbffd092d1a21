#pragma once

#include <cstdint>
#include <vector>

#include "sim/model/plan.h"
#include "sim/model/traffic.h"

namespace bethany {

/// One fetch of the state of an expert (or, with expert -1, of the dense part) between machines.
struct Transfer {
  int from = 0;  // index into the machines given to bind_plan; an owner
  int to = 0;
  int layer = -1;
  int expert = -1;
};

/// What the machines hold before a plan change.
struct Holdings {
  const PlacementPlan* plan = nullptr;  // the last completed one; null: nobody holds anything
  /// For each machine of the new configuration: the place of `plan` whose state it still holds,
  /// or -1 (a newcomer, or it lost its state).
  std::vector<int> place_of;
};

struct Binding {
  /// For each place of the new plan, the index of the machine that takes it.
  std::vector<int> machine_of_place;
  std::vector<Transfer> transfers;
  TransferSummary summary;
};

/// Gives the unlabelled places of `plan` to machines so that little state moves: the published
/// greedy rule (papers.md §1.4), repeatedly the pair with the fewest newly assigned experts, ties
/// by place, then machine. Then each missing state is fetched from its owner that has sent least,
/// ties by machine; a machine that holds no place fetches the dense state too.
/// Requires: plan.nodes machines; every expert is held by some machine, or holdings.plan is null
/// (then nothing is fetched: state comes from elsewhere).
Binding bind_plan(const PlacementPlan& plan, const Holdings& holdings, const StateSizes& sizes);

/// Whether every expert of every layer is held by a machine.
bool state_is_complete(const Holdings& holdings);

}  // namespace bethany
