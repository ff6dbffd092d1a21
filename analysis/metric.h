#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "analysis/run_summary.h"
#include "sim/base/registry.h"

namespace bethany {

/// A number that a run is judged by. One file in analysis/metrics each; `list metrics` prints name,
/// unit and definition.
struct Metric {
  std::string name;
  std::string unit;        // "tokens/s", "share" (0..1), "count", "USD", …
  std::string definition;  // one sentence
  double low = 0;          // the value lies in low..high
  double high = std::numeric_limits<double>::infinity();
  /// Finite, or empty where it is not defined: a share of nothing, a cost without a price.
  std::optional<double> (*value)(const RunSummary& run) = nullptr;
};

Registry<Metric>& metrics();

/// Adds a metric under its name, before main. Returns true, so that a static initialiser can call.
bool add_metric(Metric metric);

/// The metric of that name. Requires: it is registered.
Metric metric(std::string_view name);

/// The value of a metric; empty for a run that is not feasible, or where it is not defined.
/// Requires: it is registered.
std::optional<double> metric_value(std::string_view name, const RunSummary& run);

/// a / b, or empty when b is 0. For the formulas of metrics.
std::optional<double> ratio(double a, double b);
std::optional<double> ratio(Int128 a, Int128 b);

}  // namespace bethany
