#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/model/routing_load.h"

namespace bethany {

/// Reads whole numbers from 0 on, separated by commas. Throws InputError "WHAT: …".
std::vector<std::int64_t> parse_whole_numbers(std::string_view text, const std::string& what);

/// Reads loads of experts, whole numbers, a layer a row: JSON [[…]…] or CSV without a header.
/// `name` stands in complaints. Throws InputError with the line.
LoadMatrix parse_load_matrix(std::string_view text, const std::string& name);

}  // namespace bethany
