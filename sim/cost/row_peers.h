#pragma once

#include "sim/model/plan.h"

namespace bethany {

/// To how many other ranks one rank sends rows of a layer, or from how many it gets some, at most.
/// Every rank routes alike and every copy of an expert computes equally many rows, so rows of an
/// expert go from ranks that have less than their share of its copies to those that have more.
/// Plans of more than 64 ranks are not looked through (cost: ranks² · experts / 64): there the
/// answer is all other ranks.
int most_row_peers(const PlacementPlan& plan, const LayerPlan& layer);

}  // namespace bethany
