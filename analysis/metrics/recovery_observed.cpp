#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) { return run.recovery.observed(); }

const bool registered = add_metric({
    .name = "recovery_observed",
    .unit = "share",
    .definition = "Share of the decided disruptions that were answered without a restart.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
