#include "analysis/metric.h"

namespace bethany {
namespace {

std::optional<double> value(const RunSummary& run) { return static_cast<double>(run.samples); }

const bool registered = add_metric({
    .name = "samples",
    .unit = "count",
    .definition = "Sequences of the steps that count in the end.",
    .value = value,
});

}  // namespace
}  // namespace bethany
