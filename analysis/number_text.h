#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bethany {

/// Numbers rounded for people. Files and JSON carry exact ones.

/// "1,234,567".
std::string grouped(std::int64_t value);

/// Three or more figures: "0.00123", "1.53", "15.3", "1,532"; "-" for an empty value.
std::string rounded(std::optional<double> value);

/// "3.22 GB", decimal units.
std::string rounded_bytes(std::int64_t bytes);

/// A share of 1 as "12.3 %"; "-" for an empty value. Only a share of exactly 0 or 1 is shown as
/// "0 %" or "100 %".
std::string percent(std::optional<double> share);

}  // namespace bethany
