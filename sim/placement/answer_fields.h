#pragma once

#include <cstdint>
#include <string_view>

#include "sim/base/json.h"

namespace bethany {

/// `value`, or throws InputError "WHAT: VALUE is outside LOW..HIGH".
std::int64_t checked_range(std::string_view what, std::int64_t value, std::int64_t low,
                           std::int64_t high);

/// The first members of every answer: `schema` and `version` (DESIGN §7).
void begin_answer(JsonNode& node, const char* schema);

}  // namespace bethany
