#pragma once

#include <simdjson.h>

#include <span>
#include <string>

#include "sim/model/routing_load.h"

namespace bethany {

/// Reads loads of one layer: numbers >= 0, whole or with a fraction; a layer with a fraction is
/// scaled by whole_loads(). Requires: as many values as places. Returns what is wrong, from `path`
/// on ("/loads/3/1: -2 is negative"), or nothing.
std::string read_load_row(const simdjson::dom::array& row, const std::string& path,
                          std::span<std::int64_t> loads);

}  // namespace bethany
