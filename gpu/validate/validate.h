#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gpu/validate/summary.h"
#include "gpu/validate/testbed.h"

namespace bethany {

struct ValidateOptions {
  std::string backend = "synthetic";
  TestbedOptions testbed;
  std::string profile;  // a file or a built-in name; empty: the backend's own cost
  std::string cost_model = "calibrated";  // with a profile
  std::vector<std::string> policies;      // empty: validation_policies()
  std::uint64_t seed = 1;
  bool quick = false;
  double within_seconds = 0;  // no run begins later; 0: no limit
};

struct Validated {
  Validation validation;
  std::vector<CaseRun> runs;
  std::string machine_failure;  // ended the measuring; empty: none did
};

/// Freezes the cases, tells `freeze` about them, measures pilot and cases (pass A of all, then pass
/// B, each in an order drawn from the seed), and judges. `stop` is asked between runs; `progress`
/// is told how many of how many runs are made, and which comes next. Machines that fail in a case
/// end the measuring, and what was measured is judged. Throws InputError, NoDevice, and
/// MachineError when machines fail before the cases.
Validated validate(
    const ValidateOptions& options, const std::function<void(const ValidationContext&)>& freeze,
    const std::function<bool()>& stop,
    const std::function<void(std::int64_t, std::int64_t, const std::string&)>& progress);

}  // namespace bethany
