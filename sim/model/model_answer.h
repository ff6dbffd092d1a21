#pragma once

#include "sim/base/json.h"
#include "sim/model/cluster.h"
#include "sim/model/moe_model.h"

namespace bethany {

/// The answer of `model show` (DESIGN §7, schema bethany/model-show/1): parameters by part, bytes
/// of one slot, and the memory of one GPU of that node type. `ranks` matters with zero 1 only.
JsonNode model_answer(const MoeModel& model, const Training& training, const NodeType& type,
                      int ranks);

}  // namespace bethany
