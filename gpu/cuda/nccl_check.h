#pragma once

#include <vector>

#include "gpu/selftest.h"

namespace bethany::cuda {

/// A configuration of one rank, this process, with a store of its own: what it sends to itself
/// arrives, it may be called off while it waits, and the next one connects. Seconds. Throws
/// NoDevice.
std::vector<CheckResult> check_nccl();

}  // namespace bethany::cuda
