#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(static_cast<double>(run.tokens()), to_seconds(run.horizon));
}

const bool registered = add_metric({
    .name = "goodput_tokens_per_s",
    .unit = "tokens/s",
    .definition = "Tokens of the steps that count in the end, by the horizon.",
    .value = value,
});

}  // namespace
}  // namespace bethany
