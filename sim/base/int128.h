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

/// floor(a · b / c). 64 bits where they are enough: dividing 128 is several times as slow.
/// Requires: a, b >= 0, c > 0, the result fits 64 bits.
inline std::int64_t floor_share(std::int64_t a, std::int64_t b, std::int64_t c) {
  constexpr std::int64_t kSmall = std::int64_t{1} << 31;
  if (a < kSmall && b < kSmall) return a * b / c;
  return static_cast<std::int64_t>(static_cast<Int128>(a) * b / c);
}

/// Nanoseconds to seconds, for output.
inline double to_seconds(Int128 ns) {
  constexpr Int128 kSecond = 1'000'000'000;
  return static_cast<double>(ns / kSecond) + static_cast<double>(ns % kSecond) / 1e9;
}

}  // namespace bethany
