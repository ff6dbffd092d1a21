#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  if (!run.recovery.guaranteed_losses_min) return std::nullopt;
  return static_cast<double>(*run.recovery.guaranteed_losses_min);
}

const bool registered = add_metric({
    .name = "guaranteed_losses_min",
    .unit = "count",
    .definition = "Losses at once that every plan of the run survives, whoever the victims are.",
    .value = value,
});

}  // namespace
}  // namespace bethany
