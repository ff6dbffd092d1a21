#pragma once

#include <cstdint>
#include <string_view>

#include "sim/base/json.h"
#include "sim/model/trace.h"

namespace bethany {

/// Draws a trace of a named generator with the options of an object (null: none are given).
/// Ensures: `source` of the result names the generator, its effective options, seed and
/// replication, which is all it takes to draw it again. Throws InputError on unknown names and
/// keys.
Trace generate_trace(std::string_view generator, const JsonNode& options, std::uint64_t seed,
                     std::uint64_t replication = 0);

}  // namespace bethany
