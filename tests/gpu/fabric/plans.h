#pragma once

#include "sim/model/plan.h"
#include "sim/placement/parts.h"

namespace bethany::test {

/// A plan of several layers made by the parts of a policy for a cluster and loads drawn by
/// RapidCheck, and the shape it was made for.
struct MadePlan {
  PlacementShape shape;
  PlacementPlan plan;
};

MadePlan random_made_plan();

}  // namespace bethany::test
