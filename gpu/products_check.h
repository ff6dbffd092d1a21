#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu/selftest.h"

namespace bethany {

/// Products of the arithmetic of that name in every kind of Products, of random floats, against
/// double products of the rounded operands. Empty when there is none of that name.
std::vector<CheckResult> check_products(const std::string& name, std::uint64_t seed);

}  // namespace bethany
