#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/report/course.h"
#include "analysis/report/disruptions.h"
#include "analysis/report/report_data.h"

namespace bethany {

/// What figures draw of one record, in memory that does not grow with the run.
struct RunSeries {
  RunStarted started;
  RunEnded ended;
  Course course;
  Disruptions disruptions;
  std::optional<PlanChange> plan_change;
  std::vector<std::string> node_names;  // by NodeId
};

/// Reads a record once for all figures. Throws InputError as read_kept() does.
RunSeries read_series(const KeptRun& run, const TimeBins& bins);

}  // namespace bethany
