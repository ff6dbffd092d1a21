#pragma once

#include <span>
#include <string>

#include "analysis/answers.h"
#include "analysis/comparison.h"
#include "analysis/table.h"

namespace bethany {

/// One run for people: a quantity a row, with what is left out of the ledger when it is 0.
Table replay_table(const RunResult& run);

/// Policies for people: a policy a row, numbers rounded; a policy without a run is a row with its
/// reason. Cost columns only when there are prices.
Table compare_table(std::span<const RunResult> runs, std::span<const Comparison> comparisons);

/// The same for tools: a policy a row, exact numbers, columns named as the keys of replay_answer()
/// ("recovery.observed.p", "recovery.by_losses.1"), then those of its comparison. Empty: null. The
/// columns do not depend on the runs.
Table runs_table(std::span<const RunResult> runs, std::span<const Comparison> comparisons);

/// `replay` and `compare` in a format: csv is runs_table(); the others are for people, followed by
/// notes: verdict (compare), what predictions are given, trace, profile.
std::string replay_text(const RunResult& run, TableFormat format, bool colour);
std::string compare_text(std::span<const RunResult> runs, std::span<const Comparison> comparisons,
                         TableFormat format, bool colour);

/// Trace, cap rule, profile and seed in lines for people.
std::string context_text(const RunContext& context);

/// The metrics of analysis/metrics: name, unit, definition.
Table metrics_table();

}  // namespace bethany
