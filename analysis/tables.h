#pragma once

#include <span>
#include <string>

#include "analysis/answers.h"
#include "analysis/comparison.h"
#include "analysis/table.h"

namespace bethany {

/// One run for people: a quantity a row, with what is left out of the ledger when it is 0.
Table replay_table(const RunResult& run);

/// Runs for tools: a run a row, exact numbers, columns named as the keys of replay_answer()
/// ("recovery.observed.p", "recovery.by_losses.1"), then those of its comparison. Empty: null. The
/// columns do not depend on the runs.
Table runs_table(std::span<const RunResult> runs, std::span<const Comparison> comparisons);

/// `replay` in a format: csv is runs_table(); the others are for people, followed by trace, profile
/// and seed.
std::string replay_text(const RunResult& run, TableFormat format, bool colour);

/// The observed recovery with its exact interval: "75.0 % [19.4, 99.4]"; "-" without a disruption.
std::string recovered_text(const RecoverySummary& recovery);

/// Lines as they stand below a table; in Markdown each is a paragraph.
std::string below_table(const std::string& lines, TableFormat format);

/// Trace, cap rule, profile and seed in lines for people.
std::string context_text(const RunContext& context);

/// The metrics of analysis/metrics: name, unit, definition.
Table metrics_table();

}  // namespace bethany
