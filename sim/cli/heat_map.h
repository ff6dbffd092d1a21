#pragma once

#include <string>
#include <vector>

#include "sim/placement/answers.h"

namespace bethany {

/// A plan as a picture of characters: for each layer the experts down, the nodes across. A cell's
/// shade is the load of the expert's replicas on that node, beside the heaviest cell of the layer;
/// without loads, that it is there. Below stands what the node's busiest GPU computes, beside the
/// mean over GPUs. At most 64 columns and 32 rows: beyond, a column or row stands for several nodes
/// or experts and shows the darkest. Experts with the highest load come first.
/// `colour`: terminal escapes (256 colours).
std::string heat_map(const PlaceAnswer& answer, bool colour);

}  // namespace bethany
