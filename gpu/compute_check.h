#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/compute.h"
#include "gpu/selftest.h"

namespace bethany {

/// Runs every operation of Compute on both, on the same random inputs, and compares all memory that
/// it was given: outputs, inputs that have to stay as they are, and what lies behind each array.
/// Exact arithmetic (and what only copies or chooses) has to agree bit for bit, real to 1e-5. A
/// result's `what` begins with the operation's name.
std::vector<CheckResult> compare_computes(Compute& tested, Compute& trusted, std::uint64_t seed);

/// The arithmetic of that name against `cpu`, and its products in every kind (products_check.h);
/// empty when there is none of that name.
std::vector<CheckResult> check_compute(const std::string& name, std::uint64_t seed);

}  // namespace bethany
