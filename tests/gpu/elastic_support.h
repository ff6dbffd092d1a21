#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "gpu/elastic/crew.h"
#include "gpu/validate/case_input.h"
#include "sim/base/random.h"
#include "sim/model/run_record.h"

namespace bethany::test {

constexpr std::int64_t kSteps = 12;
constexpr double kRealScale = 0.01;  // of a second of the schedule, for processes

/// What a training came to.
struct Trained {
  /// Of every expert and the dense part.
  std::map<std::pair<int, int>, std::uint64_t> state;
  std::map<std::int64_t, std::pair<double, std::uint64_t>> steps;  // loss and outputs, by counter
  std::map<Stage, int> stages;
  int cut = 0;
  int steps_run = 0;
  bool replicas_agree = true;
};

/// A training of exact arithmetic: 6 experts, 2 layers, kSteps steps.
CaseInput elastic_input(const std::string& policy, int nodes, const std::string& routing);
TrainingSetup elastic_setup(const CaseInput& input);

/// Lets the job of the simulator train on the crew's machines. Requires: the run comes to its end.
/// `sound`: replicas that differ are a failed check.
Trained train(const CaseInput& input, Crew& crew, bool forced, bool sound = true);
/// On threads.
Trained train(const CaseInput& input, bool forced = false);

void check_same(const Trained& trained, const Trained& undisturbed);

/// Losses and joins at random instants of the first `seconds`, never fewer than `fewest` nodes.
Trace random_trace(int nodes, int fewest, double seconds, Rng rng, double scale = 1);

}  // namespace bethany::test
