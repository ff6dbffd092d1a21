#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/report/chart.h"
#include "analysis/report/counted_values.h"
#include "analysis/report/report_data.h"
#include "analysis/report/run_series.h"

namespace bethany {

/// What several figures need.

/// The policies of a comparison in its order, those without a run too; of a sweep in order of
/// appearance. This is the order of colours in every figure.
std::vector<std::string> policy_names(const ReportData& data);

bool is_bound(const ReportData& data, const std::string& policy);

/// The runs of a policy that are feasible, replication after replication.
std::vector<const JsonNode*> runs_of(const ReportData& data, const std::string& policy);

/// How many replications the comparison has.
std::int64_t replications_of(const ReportData& data);

/// A length of time as people count it at that scale.
struct TimeUnit {
  std::string name;   // "s", "min", "h" or "d"
  std::string title;  // "seconds", …
  double seconds = 1;

  double of(Duration time) const { return to_seconds(time) / seconds; }
  double of(SimTime time) const { return of(time.time_since_epoch()); }
};
TimeUnit time_unit(Duration longest);

/// A chart with the colours of the policies.
Chart policy_chart(const ReportData& data, std::string id, std::string title);

/// Layers over the rows of policies and dashed ones over those of bounds. Requires: `rows` has a
/// column "policy". Adds nothing for no rows.
void add_by_policy(const ReportData& data, const ChartData& rows,
                   const std::vector<ChartLayer>& layers, Chart& chart);

/// The bins of timelines joined to columns: at most 150, each of `bins` bins.
struct TimeColumns {
  std::size_t bins = 1;
  std::size_t count = 0;
  Duration width{1};

  SimTime begin(std::size_t column) const { return at(static_cast<std::int64_t>(column) * width); }
};

/// How a figure over time is cut: the same for all policies.
struct TimeScale {
  TimeBins bins;
  TimeColumns columns;
  TimeUnit unit;
};
/// Empty when no record was kept, or none lasts.
std::optional<TimeScale> time_scale(const ReportData& data);

/// What a column holds of the values of its bins.
template <class Value>
Value column_sum(const std::vector<Value>& values, const TimeColumns& columns, std::size_t column) {
  Value sum = 0;
  const std::size_t end = std::min(values.size(), (column + 1) * columns.bins);
  for (std::size_t bin = column * columns.bins; bin < end; ++bin) sum += values[bin];
  return sum;
}

/// One policy's distribution, in multiples of 1 / `per_unit`.
struct Distribution {
  std::string policy;
  CountedValues values;
};

/// Shares of values that are at most x, by policy, thinned to steps of half a per cent. `column`
/// has name and title of the value. Empty without values.
std::optional<Chart> ecdf_chart(const ReportData& data, std::string id, std::string title,
                                const ChartData::Column& column, double per_unit,
                                const std::vector<Distribution>& distributions);

/// "1.83 M", "762 k", "19.3".
std::string short_number(double value);

/// "a; b; c."
std::string sentences_of(const std::vector<std::string>& parts);

// Ends of captions, each with a space before it, or "".
/// "Without a run: a and b."
std::string without_run(const ReportData& data);
/// "The first of 20 replications."
std::string of_first_replication(const ReportData& data);
/// "Of a sweep of 54 runs 20 are there."
std::string of_unfinished_sweep(const ReportData& data);
/// "Thin and dashed: ideal, an upper bound."
std::string bounds_are_dashed(const ReportData& data);

}  // namespace bethany
