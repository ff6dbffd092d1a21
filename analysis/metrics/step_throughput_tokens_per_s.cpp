#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) {
  return ratio(static_cast<double>(run.tokens() + run.tokens_discarded()),
               to_seconds(run.kept_step_time + run.discarded_step_time));
}

const bool registered = add_metric({
    .name = "step_throughput_tokens_per_s",
    .unit = "tokens/s",
    .definition = "Tokens of all committed steps by the wall time of those steps: the steady speed "
                  "while stepping.",
    .value = value,
});

}  // namespace
}  // namespace bethany
