#pragma once

#include <cstdint>
#include <string>

#include "analysis/run_summary.h"
#include "sim/base/json.h"

namespace bethany::test {

/// What a run came to, and what its trace was.
struct Outcome {
  RunSummary run;
  JsonNode trace;  // of what was replayed, as `trace stats` prints it
};

/// Replays the scenario as the program does: its text, every reader, the trace's generator or
/// importer, the cap, the job, the summary.
Outcome replayed(const std::string& scenario, const std::string& policy, std::uint64_t seed);

/// A scenario with a model of no weight, one slot a node and durations that are keys.
struct SmallScenario {
  int nodes = 4;
  int experts = 4;
  std::string until;     // {"time": …}
  std::string trace;     // an object
  std::string cost;      // keys of the cost model `fixed`
  std::string policies;  // members
};
std::string small_scenario(const SmallScenario& parts);

}  // namespace bethany::test
