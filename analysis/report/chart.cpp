#include "analysis/report/chart.h"

#include <algorithm>
#include <memory>

#include "sim/base/check.h"
#include "sim/base/object_reader.h"

namespace bethany {

Registry<ChartMaker>& chart_makers() {
  static Registry<ChartMaker> registry;
  return registry;
}

bool add_chart(ChartMaker maker) {
  BETHANY_CHECK(maker.make != nullptr, "figure '{}' is never made", maker.name);
  return chart_makers().add({
      .name = maker.name,
      .summary = maker.summary,
      .make = [maker](ObjectReader&) { return std::make_unique<ChartMaker>(maker); },
  });
}

std::vector<ChartMaker> charts_in_order() {
  std::vector<ChartMaker> makers;
  for (const auto& entry : chart_makers().entries()) {
    const JsonNode no_options;
    ObjectReader reader(no_options, "");
    makers.push_back(*entry.make(reader));
  }
  std::stable_sort(makers.begin(), makers.end(), [](const ChartMaker& a, const ChartMaker& b) {
    return a.order < b.order;  // stable: by name within an order
  });
  return makers;
}

std::vector<Chart> charts_of(const ReportData& data) {
  std::vector<Chart> charts;
  for (const auto& maker : charts_in_order()) {
    if (auto chart = maker.make(data)) charts.push_back(std::move(*chart));
  }
  return charts;
}

}  // namespace bethany
