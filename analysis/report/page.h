#pragma once

#include <string>
#include <vector>

#include "analysis/report/chart.h"
#include "analysis/report/report_data.h"

namespace bethany {

struct PageOptions {
  /// Whether figures can be zoomed and asked for values, where the build has what that needs. The
  /// page without is about 0.8 MB smaller.
  bool interactive = true;
};

/// The report as one HTML file that needs nothing else: no URL, no server, scripts only for
/// comfort. Everything from the data is escaped, and a content security policy allows no script but
/// its own. The same bytes for the same data.
std::string report_page(const ReportData& data, const std::vector<Chart>& charts,
                        const PageOptions& options = {});

}  // namespace bethany
