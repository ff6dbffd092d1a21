#pragma once

#include <simdjson.h>

#include <string>
#include <vector>

#include "sim/model/routing_import.h"

namespace bethany {

/// Parses JSON that may be large. `place` names it in complaints, `line` is where the text begins
/// in it. Throws InputError with the line.
simdjson::dom::element parse_load_json(simdjson::dom::parser& parser, std::string_view text,
                                       const std::string& place, int line = 1);

/// Reads [layer][expert], or [step][layer][expert]: numbers >= 0 by read_load_row(). `path` is
/// where the value stands ("/logical_count"). Throws InputError "PLACE: /path/3/1: …".
std::vector<LoadMatrix> read_load_matrices(const simdjson::dom::element& value,
                                           const std::string& place, const std::string& path);

/// Whether no expert of any layer has any load.
bool is_idle(const LoadMatrix& matrix);

/// Largest value of the option `every` that importers of numbered matrices share.
constexpr std::int64_t kMostEvery = 1'000'000'000;

/// Matrix i holds from step i · `every` on.
std::vector<RoutingLoad::Entry> entries_of(std::vector<LoadMatrix> matrices, std::int64_t every);

}  // namespace bethany
