#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return static_cast<double>(run.tokens_discarded());
}

const bool registered = add_metric({
    .name = "tokens_discarded",
    .unit = "count",
    .definition = "Tokens of the steps that had committed and were rolled back.",
    .value = value,
});

}  // namespace
}  // namespace bethany
