#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return static_cast<double>(run.steps_discarded);
}

const bool registered = add_metric({
    .name = "steps_discarded",
    .unit = "count",
    .definition = "Steps that had committed and were rolled back.",
    .value = value,
});

}  // namespace
}  // namespace bethany
