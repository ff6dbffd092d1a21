#pragma once

#include "sim/base/object_reader.h"
#include "sim/cost/cost_model.h"
#include "sim/cost/measured_curves.h"
#include "sim/cost/profile.h"

namespace bethany {

/// The constants in force and where they come from.
struct ConstantChoice {
  ConstantValues values;
  ProfileStamp profile;
  std::vector<MeasuredCurve> curves;  // the profile's fits
  double spread = 0;                  // the profile's
};

/// Reads `profile` and every constant of `cost`. A constant comes from its key below `cost`, else
/// from the profile, else from the assumed profile of the node type (then it is listed as assumed).
/// All are echoed. Throws InputError.
ConstantChoice read_constants(ObjectReader& cost, const NodeType& type);

}  // namespace bethany
