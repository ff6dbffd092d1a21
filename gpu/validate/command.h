#pragma once

#include <functional>
#include <string>

#include "gpu/validate/validate.h"

namespace bethany {

struct ValidateOutput {
  std::string directory;  // cases.json, validation.json, validation.txt, observations.csv; or none
  bool json = false;      // on stdout in place of the text
  bool force = false;     // write into a directory that is not empty
};

enum class ValidateEnd { passed, missed, interrupted, machines_failed };

/// The command `validate`: measures, writes, prints. `interrupted` is asked between runs.
ValidateEnd validate_command(const ValidateOptions& options, const ValidateOutput& output,
                             const std::function<bool()>& interrupted);

}  // namespace bethany
