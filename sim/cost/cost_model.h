#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/base/object_reader.h"
#include "sim/base/registry.h"
#include "sim/cost/step_timer.h"
#include "sim/model/cluster.h"
#include "sim/model/moe_model.h"

namespace bethany {

/// What is timed. A timer copies what it needs: the context may go before it.
struct CostContext {
  const MoeModel& model;
  const Training& training;
  const Cluster& cluster;
};

/// Which constants gave the durations: what every output says (DESIGN §7, `profile`).
struct ProfileStamp {
  std::string name;
  std::string sha256;
  std::string kind;                  // measured or assumed
  std::vector<std::string> assumed;  // constants that the profile lacks, taken from assumptions
};

/// A cost model at work.
struct Cost {
  std::unique_ptr<StepTimer> timer;
  ProfileStamp profile;
};

/// A way to tell how long things take. The registry's `make` reads no options: those of `cost` need
/// the context.
class CostModel {
 public:
  virtual ~CostModel() = default;
  /// Reads the model's keys of `cost`; the caller calls finish(). Throws InputError.
  virtual Cost make(ObjectReader& cost, const CostContext& context) const = 0;
};

Registry<CostModel>& cost_models();

/// Reads the object `cost` of a scenario: `model` (default analytic), its keys, and `step_time`,
/// which overrides the step duration of any model; calls finish(). Every constant is echoed.
/// Throws InputError.
Cost read_cost(ObjectReader& cost, const CostContext& context);

/// read_cost() without the stamp.
std::unique_ptr<StepTimer> make_step_timer(ObjectReader& cost, const CostContext& context);

}  // namespace bethany
