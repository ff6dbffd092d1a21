#pragma once

#include <string>
#include <utility>
#include <vector>

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

/// What a result depends on, for the card at the top: title and value. Values that nobody knows
/// begin with "UNKNOWN".
std::vector<std::pair<std::string, std::string>> scenario_card(const ReportData& data);

/// What a reader should doubt, a sentence each: assumed profile, one trace, questions outside the
/// measured range, policies without a run, notes of the comparison.
std::vector<std::string> report_warnings(const ReportData& data);

/// The command that makes the result again, with file names relative to the scenario.
std::string command_of(const ReportData& data);

/// Name of the scenario, or of what it trains.
std::string title_of(const ReportData& data);

/// Verdict, table and warnings as GitHub Markdown.
std::string report_markdown(const ReportData& data);

}  // namespace bethany
