#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/report/report_data.h"
#include "analysis/table.h"

namespace bethany {

/// A table of the report, for pages and Markdown: cells as people read them, with what they sort
/// by.
struct ReportTable {
  struct Column {
    std::string title;
    std::string hint;  // what it is, in a sentence; or empty
    bool is_number = true;
  };
  struct Cell {
    std::string text;
    std::optional<double> value;  // sorts the row; empty sorts last
    bool best = false;            // of its column
  };
  struct Row {
    std::vector<Cell> cells;  // as many as columns; of a remark two
    bool is_bound = false;    // an upper bound, no policy that can be chosen
    bool is_remark = false;   // a policy without a run, and why
  };
  std::vector<Column> columns;
  std::vector<Row> rows;
};

/// Policies by the metrics they are judged by; of a sweep its points. The best of each column,
/// among policies, is marked.
ReportTable policies_table(const ReportData& data);

/// Each policy against the baseline: ratio, interval, test, verdict. Empty with one trace.
ReportTable pairs_table(const ReportData& data);

/// Every metric of every policy: mean, interval, quantiles over the replications. Empty of a sweep.
ReportTable metrics_of_policies(const ReportData& data);

/// The same as a Table of text, best values marked with a star.
Table plain_table(const ReportTable& table);

}  // namespace bethany
