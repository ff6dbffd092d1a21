#pragma once

#include <string>

#include "analysis/report/chart.h"

namespace bethany {

/// The chart as an <svg> element for a page, complete without scripts. Text and lines take the
/// page's text colour, categories its variables --c0 … --c7, where it has them; so the picture
/// follows a dark theme. The same bytes for the same chart.
std::string chart_svg(const Chart& chart);

}  // namespace bethany
