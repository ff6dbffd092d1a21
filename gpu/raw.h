#pragma once

#include <string>
#include <string_view>

#include "gpu/protocol.h"

namespace bethany {

/// The raw measurements as CSV (gpu/README.md): lines "# key: value" with the machine and the
/// protocol, then a row a point.
std::string raw_text(const Measurements& measurements);

/// Reads what raw_text() wrote. Throws InputError "NAME:LINE: …".
Measurements parse_raw(std::string_view text, const std::string& name);

}  // namespace bethany
