#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(run.ledger.rolled_back + run.ledger.step_in_flight, run.ledger.total);
}

const bool registered = add_metric({
    .name = "discarded_share",
    .unit = "share",
    .definition = "Node time of steps that were rolled back or never committed, by nodes of the "
                  "cluster times horizon.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
