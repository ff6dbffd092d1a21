#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  if (!run.usd_per_node_hour) return std::nullopt;
  const auto absent = run.ledger.unavailable[static_cast<std::size_t>(Unavailable::absent)];
  return to_seconds(run.ledger.total - absent) / 3600 * *run.usd_per_node_hour;
}

const bool registered = add_metric({
    .name = "cost_usd",
    .unit = "USD",
    .definition = "Price of a node hour times the hours of all nodes that were there, used or not.",
    .value = value,
});

}  // namespace
}  // namespace bethany
