#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(static_cast<double>(run.tokens() + run.tokens_discarded()), to_seconds(run.horizon));
}

const bool registered = add_metric({
    .name = "throughput_tokens_per_s",
    .unit = "tokens/s",
    .definition =
        "Tokens of all committed steps, those rolled back later with them, by the horizon.",
    .value = value,
});

}  // namespace
}  // namespace bethany
