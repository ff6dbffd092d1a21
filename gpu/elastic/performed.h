#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gpu/elastic/order.h"
#include "sim/base/time.h"
#include "sim/cost/step_timer.h"
#include "sim/model/run_record.h"

namespace bethany {

/// One thing that the machines were asked to do: what was expected, and what it came to.
struct Performed {
  bool is_step = false;
  Stage stage = Stage::planning;  // of what is no step
  PlanCause cause = PlanCause::start;
  std::int64_t step = 0;     // the step counter
  std::int64_t samples = 0;  // that the step trains
  int nodes = 0;
  CostBreakdown predicted;  // a step's has terms
  Duration measured{0};
  bool cut = false;  // a loss came first
  /// Of a step: the phases of every rank, in order.
  std::vector<std::vector<ReplyPhase>> phases;
  double loss = 0;                    // summed over ranks
  std::uint64_t output_digest = 0;    // summed over ranks
  std::vector<LayerTraffic> traffic;  // where the ranks sent their rows
  bool as_decided = true;             // which is where the simulator says, if routing is forced
  std::int64_t peak_bytes = 0;        // allocated on the fullest rank so far; 0: unknown
};

using PerformedSink = std::function<void(const Performed&)>;

}  // namespace bethany
