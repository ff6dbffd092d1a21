#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  Int128 blocked = 0;
  for (const auto part : run.ledger.blocked) blocked += part;
  return ratio(blocked, run.ledger.total);
}

const bool registered = add_metric({
    .name = "blocked_share",
    .unit = "share",
    .definition = "Node time in which members did not step (detection, recovery, restarts, "
                  "checkpoints, joins), by nodes of the cluster times horizon.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
