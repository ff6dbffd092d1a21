#pragma once

#include <span>
#include <string>

#include "analysis/replications.h"
#include "analysis/table.h"

namespace bethany {

/// Policies for people: a policy a row, numbers rounded; a policy without a run is a row with its
/// reason. With replications counts are means and shares are those of all of them together. Cost
/// columns only when there are prices.
Table compare_table(const Replications& replications, std::span<const Comparison> comparisons);

/// `compare` in a format: csv is runs_table() of every run; the others are for people, followed by
/// the verdict, what predictions are given, replications, trace and profile.
std::string compare_text(const Replications& replications, std::span<const Comparison> comparisons,
                         TableFormat format, bool colour);

/// The lines below the table: verdict first.
std::string compare_notes(const Replications& replications,
                          std::span<const Comparison> comparisons);

}  // namespace bethany
