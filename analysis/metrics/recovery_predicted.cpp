#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) { return run.recovery.predicted; }

const bool registered = add_metric({
    .name = "recovery_predicted",
    .unit = "share",
    .definition =
        "Mean over the decided disruptions of the exact probability that the plan in force "
        "survives as many losses, given uniform victims.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
