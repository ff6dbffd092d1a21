#pragma once

#include <string>

#include "sim/cli/command.h"

namespace bethany {

/// Prints what the runs of a sweep's directory came to.
void print_sweep(const std::string& directory, const OutputOptions& output);

}  // namespace bethany
