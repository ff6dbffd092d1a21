#pragma once

#include <string>

#include "gpu/validate/summary.h"

namespace bethany {

/// `bethany/validation/1` (schema: `bethany schema validation`). Equal validations give equal text.
JsonNode validation_json(const Validation& validation);

/// What people read: under 12,000 characters, whatever was measured.
std::string validation_text(const Validation& validation);

/// Every observation as a line of CSV, with its case, pass and terms.
std::string observations_csv(const ValidationContext& context, std::span<const CaseRun> runs);

}  // namespace bethany
