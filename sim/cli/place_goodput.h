#pragma once

#include <string>
#include <vector>

#include "sim/cli/command.h"
#include "sim/cli/placement_options.h"

namespace bethany {

/// What `place --objective goodput` takes besides: where model, costs and failures come from.
struct GoodputOptions {
  ScenarioOptions scenario;
  std::string policy = "lazarus+";  // its dispatch and checkpoints
};
void add_goodput_options(CLI::App& command, GoodputOptions& options);

/// Prints the plans of the frontier by falling expected goodput (sim/study/plan_goodput.h) and
/// writes the best to `plan_path` unless that is empty. Nodes, slots and loads that are not given
/// are the scenario's, the loads those at the end of its routing load.
int place_by_goodput(const PlacementOptions& placement, const GoodputOptions& options,
                     const std::string& plan_path, const OutputOptions& output);

/// A plan of the frontier a row.
Table frontier_table(const PlaceRequest& request, const std::vector<FrontierPlan>& plans);

}  // namespace bethany
