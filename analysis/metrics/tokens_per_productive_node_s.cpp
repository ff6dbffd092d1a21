#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(static_cast<double>(run.tokens()), to_seconds(run.ledger.productive));
}

const bool registered = add_metric({
    .name = "tokens_per_productive_node_s",
    .unit = "tokens/node-s",
    .definition = "Tokens that count in the end, by their node time: how fast a node steps.",
    .value = value,
});

}  // namespace
}  // namespace bethany
