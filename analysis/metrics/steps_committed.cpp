#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return static_cast<double>(run.steps_committed);
}

const bool registered = add_metric({
    .name = "steps_committed",
    .unit = "count",
    .definition = "Steps that count in the end.",
    .value = value,
});

}  // namespace
}  // namespace bethany
