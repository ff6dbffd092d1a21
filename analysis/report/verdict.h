#pragma once

#include <string>

#include "analysis/report/report_data.h"

namespace bethany {

/// What the report says first: a headline of some words, and up to three sentences.
struct ReportVerdict {
  std::string headline;
  std::string text;
};

/// In the words of `compare` (verdict_sentence), over all replications. "No clear winner" when the
/// interval of the ratio spans 1. Of a sweep: how many runs there are, and the best point.
ReportVerdict report_verdict(const ReportData& data);

/// Verdict, table and warnings as GitHub Markdown.
std::string report_markdown(const ReportData& data);

}  // namespace bethany
