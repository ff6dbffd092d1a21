#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  const auto cost = metric_value("cost_usd", run);
  if (!cost) return std::nullopt;
  return ratio(*cost * 1e6, static_cast<double>(run.tokens()));
}

const bool registered = add_metric({
    .name = "usd_per_million_tokens",
    .unit = "USD/Mtoken",
    .definition = "Cost by the million tokens that count in the end.",
    .value = value,
});

}  // namespace
}  // namespace bethany
