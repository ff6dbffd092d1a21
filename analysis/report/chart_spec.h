#pragma once

#include <string>

#include "analysis/report/chart.h"
#include "sim/base/json.h"

namespace bethany {

/// The chart as a Vega-Lite 6 specification, declarative only. Its data sets are referred to by the
/// names "d0", "d1", …; colours and fonts are left to chart_theme().
JsonNode chart_spec(const Chart& chart);

/// The rows behind chart_spec(), by name: {"d0": {"columns": [NAME…], "rows": [[value…]…]}}. What
/// is a category is text, ends of stacked bars are columns of their own.
JsonNode chart_rows(const Chart& chart);

/// `config` of a specification: Okabe and Ito's colours, fonts and lines for a light ground.
JsonNode chart_theme();

/// Everything in one file, for papers: $schema, title, config, and the data inline.
JsonNode complete_spec(const Chart& chart);

/// The chart's data as CSV, exact; several data sets are separated by an empty line.
std::string chart_csv(const Chart& chart);

}  // namespace bethany
