#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analysis/report/report_table.h"

namespace bethany {

/// What the page says of a `validation.json` of `validate -o`: predictions beside measurements.

/// Checks what the tables and figures rely on. Throws InputError at the place that is wrong.
void check_validation(const JsonNode& validation);

/// Verdict, mode, machine, profile, counts: title and value.
std::vector<std::pair<std::string, std::string>> validation_card(const JsonNode& validation);

/// Captions and tables: bounds, policies, terms of a step, steps and runs, stages.
std::vector<std::pair<std::string, ReportTable>> validation_tables(const JsonNode& validation);

/// What the mode shows, and what it does not, in sentences.
std::string claims_text(const JsonNode& validation);

}  // namespace bethany
