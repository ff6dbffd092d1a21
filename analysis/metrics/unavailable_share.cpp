#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  Int128 unavailable = 0;
  for (const auto part : run.ledger.unavailable) unavailable += part;
  return ratio(unavailable, run.ledger.total);
}

const bool registered = add_metric({
    .name = "unavailable_share",
    .unit = "share",
    .definition = "Node time of places that were no member (absent, starting, waiting, spare, "
                  "stranded), by nodes of the cluster times horizon.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
