#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(run.ledger.productive, run.ledger.total);
}

const bool registered = add_metric({
    .name = "productive_node_share",
    .unit = "share",
    .definition = "Node time of the steps that count in the end, by nodes of the cluster times "
                  "horizon.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
