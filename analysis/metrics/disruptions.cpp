#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return static_cast<double>(run.recovery.disruptions);
}

const bool registered = add_metric({
    .name = "disruptions",
    .unit = "count",
    .definition =
        "Instants at which members were lost; losses while one is being detected belong to it.",
    .value = value,
});

}  // namespace
}  // namespace bethany
