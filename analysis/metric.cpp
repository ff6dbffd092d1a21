#include "analysis/metric.h"

#include <cmath>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace bethany {

Registry<Metric>& metrics() {
  static Registry<Metric> registry;
  return registry;
}

bool add_metric(Metric metric) {
  BETHANY_CHECK(metric.value != nullptr, "metric '{}' has no formula", metric.name);
  return metrics().add({
      .name = metric.name,
      .summary = metric.definition,
      .make = [metric](ObjectReader&) { return std::make_unique<Metric>(metric); },
  });
}

Metric metric(std::string_view name) {
  const auto* entry = metrics().find(name);
  BETHANY_CHECK(entry != nullptr, "there is no metric '{}'", name);
  const JsonNode no_options;
  ObjectReader reader(no_options, "");
  return *entry->make(reader);
}

std::optional<double> metric_value(std::string_view name, const RunSummary& run) {
  if (!run.feasible) return std::nullopt;
  const auto value = metric(name).value(run);
  BETHANY_CHECK(!value || std::isfinite(*value), "metric '{}' is {}", name, *value);
  return value;
}

std::optional<double> ratio(double a, double b) {
  if (b == 0) return std::nullopt;
  return a / b;
}

std::optional<double> ratio(Int128 a, Int128 b) {
  return ratio(static_cast<double>(a), static_cast<double>(b));
}

}  // namespace bethany
