#pragma once

#include "analysis/answers.h"
#include "sim/study/setup.h"

namespace bethany {

/// What stands beside every result of the setup.
RunContext context_of(const Setup& setup);

}  // namespace bethany
