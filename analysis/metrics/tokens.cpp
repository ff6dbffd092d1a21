#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) { return static_cast<double>(run.tokens()); }

const bool registered = add_metric({
    .name = "tokens",
    .unit = "count",
    .definition = "Tokens of the steps that count in the end.",
    .value = value,
});

}  // namespace
}  // namespace bethany
