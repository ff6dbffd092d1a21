#pragma once

#include <memory>
#include <string_view>

#include "sim/base/object_reader.h"
#include "sim/cost/constants.h"
#include "sim/cost/cost_model.h"

namespace bethany {

/// The timer of the analytic model (README.md has the formulas); reads `restart_read` of `cost`.
std::unique_ptr<StepTimer> make_analytic_timer(ObjectReader& cost, const CostContext& context,
                                               const ConstantValues& constants);

/// Rounded once; so short that the sum of a step's terms fits, however absurd the constants.
CostTerm cost_term(std::string_view name, double seconds);

}  // namespace bethany
