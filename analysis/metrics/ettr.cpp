#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(to_seconds(run.kept_step_time), to_seconds(run.horizon));
}

const bool registered = add_metric({
    .name = "ettr",
    .unit = "share",
    .definition =
        "Wall time of the steps that count in the end, by the horizon: effective training "
        "time ratio.",
    .high = 1,
    .value = value,
});

}  // namespace
}  // namespace bethany
