#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace bethany {

/// Node-nanoseconds: 100,000 nodes for 100 years pass 64 bits.
__extension__ using Int128 = __int128;

inline std::string to_text(Int128 value) {
  const bool negative = value < 0;
  std::string digits;
  do {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (negative ? -digit : digit));
    value /= 10;
  } while (value != 0);
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// Nanoseconds to seconds, for output.
inline double to_seconds(Int128 ns) {
  constexpr Int128 kSecond = 1'000'000'000;
  return static_cast<double>(ns / kSecond) + static_cast<double>(ns % kSecond) / 1e9;
}

}  // namespace bethany
