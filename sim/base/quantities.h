#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/base/time.h"

namespace bethany {

/// A number of bytes.
struct Bytes {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const Bytes&, const Bytes&) = default;
};

/// Bytes per second.
struct Bandwidth {
  double bytes_per_second = 0;
  friend constexpr auto operator<=>(const Bandwidth&, const Bandwidth&) = default;
};

/// Floating-point operations per second.
struct FlopRate {
  double flops = 0;
  friend constexpr auto operator<=>(const FlopRate&, const FlopRate&) = default;
};

/// Parsers of a number directly followed by its unit, as in "250ms", "80GiB", "400Gbps". Empty
/// when the text is not of that form, negative, not finite, not whole in ns or bytes, or too large
/// (durations: kLongest; bytes: 2^62).
/// Units: ns us ms s min h d · B kB MB GB TB KiB MiB GiB TiB · bps kbps Mbps Gbps Tbps (bits),
/// B/s kB/s MB/s GB/s TB/s (bytes) · FLOPS kFLOPS MFLOPS GFLOPS TFLOPS PFLOPS.
std::optional<Duration> parse_duration(std::string_view text);
std::optional<Bytes> parse_bytes(std::string_view text);
std::optional<Bandwidth> parse_bandwidth(std::string_view text);
std::optional<FlopRate> parse_flop_rate(std::string_view text);

/// The text that the parsers read back to exactly the same value, in the largest unit that can.
std::string to_text(Duration duration);
std::string to_text(Bytes bytes);
std::string to_text(Bandwidth bandwidth);
std::string to_text(FlopRate rate);

/// A number of seconds, bytes, … rounded for people: "1.53 s", "2.4 min", "11.4 h".
std::string rounded_text(Duration duration);

}  // namespace bethany
