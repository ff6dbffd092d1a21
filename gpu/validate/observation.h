#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/phase.h"
#include "sim/base/statistics.h"
#include "sim/cost/step_timer.h"

namespace bethany {

/// One term of the cost model within a performed step, in seconds.
struct ObservedTerm {
  std::string name;  // "dense", "expert", …
  double predicted = 0;
  double measured = 0;
};

/// One phase of a performed step: the slowest rank, summed over layers, in seconds.
struct ObservedPhase {
  std::string name;  // "gate", "expert_forward", …
  double measured = 0;
  /// Of those the host of that rank only waited for its device; empty where it computes itself.
  std::optional<double> waited = {};
};

/// What other assumptions predict for the same thing; seconds.
struct OtherPredictions {
  double half_network = 0;    // every bandwidth between ranks halved
  double double_network = 0;  // and doubled
  double roofline = 0;        // peaks alone: no latency, no constant
};

/// One thing that machines performed, beside its prediction; seconds.
struct Observation {
  std::string kind;            // "step", or the name of a stage (sim/model/run_record.h)
  std::int64_t step = 0;       // the committed counter when it began
  std::int64_t recovery = -1;  // of which disruption of the run it is part; -1: of none
  double predicted = 0;
  double measured = 0;
  bool in_domain = true;              // the profile was measured in this range
  std::optional<Interval> interval;   // holds the measurement with 95 %, if the model is right
  std::vector<ObservedTerm> terms;    // of steps
  std::vector<ObservedPhase> phases;  // of steps
  std::optional<OtherPredictions> others;
  /// What was decided and what was performed: hashes of plan and dispatch, 16 hex digits; empty
  /// where there is none. A difference is a failed validation, whatever the times.
  std::string decided;
  std::string performed;
};

/// Bytes of the fullest rank.
struct MemoryObservation {
  double predicted = 0;
  double measured = 0;
};

/// One run of one case.
struct CaseRun {
  std::size_t index = 0;                  // into the frozen list
  int pass = 0;                           // 0: A, 1: B
  std::string failure;                    // why it came to nothing; empty: it ran to its end
  std::int64_t samples = 0;               // committed in the end
  std::vector<Observation> observations;  // in the order they happened
  std::optional<MemoryObservation> memory;
};

/// The term of the cost model that a phase of a step belongs to. Requires: a name that the stack,
/// the reduction or the optimizer books (gpu/README.md).
std::string_view term_of_phase(std::string_view phase);

/// Sums the slowest rank of each phase by name and, beside the predicted terms, by term. Terms that
/// were neither predicted nor measured are left out. Requires: the n-th times of all ranks are of
/// one phase.
void fill_parts(Observation& observation, const CostBreakdown& predicted,
                std::span<const std::vector<PhaseTime>> ranks);

}  // namespace bethany
