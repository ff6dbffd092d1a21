#include "sim/base/quantities.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>

namespace bethany {
namespace {

struct Unit {
  std::string_view name;
  double size;
};

constexpr std::array kTimeUnits = {Unit{"d", 86'400e9}, Unit{"h", 3'600e9}, Unit{"min", 60e9},
                                   Unit{"s", 1e9},      Unit{"ms", 1e6},    Unit{"us", 1e3},
                                   Unit{"ns", 1}};
constexpr std::array kByteUnits = {Unit{"TiB", 1099511627776.0},
                                   Unit{"TB", 1e12},
                                   Unit{"GiB", 1073741824.0},
                                   Unit{"GB", 1e9},
                                   Unit{"MiB", 1048576.0},
                                   Unit{"MB", 1e6},
                                   Unit{"KiB", 1024.0},
                                   Unit{"kB", 1e3},
                                   Unit{"B", 1}};
constexpr std::array kBandwidthUnits = {
    Unit{"TB/s", 1e12},    Unit{"GB/s", 1e9},      Unit{"MB/s", 1e6},     Unit{"kB/s", 1e3},
    Unit{"B/s", 1},        Unit{"Tbps", 1e12 / 8}, Unit{"Gbps", 1e9 / 8}, Unit{"Mbps", 1e6 / 8},
    Unit{"kbps", 1e3 / 8}, Unit{"bps", 1.0 / 8}};
constexpr std::array kFlopUnits = {Unit{"PFLOPS", 1e15}, Unit{"TFLOPS", 1e12}, Unit{"GFLOPS", 1e9},
                                   Unit{"MFLOPS", 1e6},  Unit{"kFLOPS", 1e3},  Unit{"FLOPS", 1}};

/// The number times the size of its unit.
template <std::size_t N>
std::optional<double> parse(std::string_view text, const std::array<Unit, N>& units) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  if (digits == 0 || digits == std::string_view::npos || digits > 30) return std::nullopt;
  std::size_t unit_at = digits;
  // An exponent belongs to the number ("1e-9s"); a unit never begins with e.
  if (text[digits] == 'e' || text[digits] == 'E') {
    unit_at = text.find_first_not_of("0123456789+-", digits + 1);
    if (unit_at == std::string_view::npos || unit_at > 40) return std::nullopt;
  }
  const std::string number(text.substr(0, unit_at));
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (end != number.c_str() + number.size() || !std::isfinite(value)) return std::nullopt;
  for (const auto& unit : units) {
    if (text.substr(unit_at) == unit.name) return value * unit.size;
  }
  return std::nullopt;
}

/// The nearest whole number, if `value` is one up to the rounding of a double.
std::optional<std::int64_t> whole(std::optional<double> value, double limit) {
  if (!value || *value > limit) return std::nullopt;
  const double rounded = std::round(*value);
  if (std::abs(*value - rounded) > 1e-9 * std::max(1.0, rounded)) return std::nullopt;
  return static_cast<std::int64_t>(rounded);
}

template <std::size_t N>
std::string exact_text(double value, const std::array<Unit, N>& units) {
  for (const auto& unit : units) {
    if (value < unit.size && unit.size > 1) continue;
    auto text = fmt::format("{}{}", value / unit.size, unit.name);
    if (parse(text, units) == value) return text;
  }
  return fmt::format("{}{}", value, units.back().size == 1 ? units.back().name : units[4].name);
}

template <std::size_t N>
std::string whole_text(std::int64_t value, const std::array<Unit, N>& units) {
  for (const auto& unit : units) {
    const auto size = static_cast<std::int64_t>(unit.size);
    if (value != 0 && value % size == 0) return fmt::format("{}{}", value / size, unit.name);
  }
  return fmt::format("{}{}", value, units.back().name);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto ns = whole(parse(text, kTimeUnits), static_cast<double>(kLongest.count()));
  return ns ? std::optional(Duration(*ns)) : std::nullopt;
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  const auto bytes = whole(parse(text, kByteUnits), 4.6e18);
  return bytes ? std::optional(Bytes{*bytes}) : std::nullopt;
}

std::optional<Bandwidth> parse_bandwidth(std::string_view text) {
  const auto value = parse(text, kBandwidthUnits);
  return value ? std::optional(Bandwidth{*value}) : std::nullopt;
}

std::optional<FlopRate> parse_flop_rate(std::string_view text) {
  const auto value = parse(text, kFlopUnits);
  return value ? std::optional(FlopRate{*value}) : std::nullopt;
}

std::string to_text(Duration duration) {
  return duration.count() == 0 ? "0s" : whole_text(duration.count(), kTimeUnits);
}
std::string to_text(Bytes bytes) { return whole_text(bytes.value, kByteUnits); }
std::string to_text(Bandwidth bandwidth) {
  return exact_text(bandwidth.bytes_per_second, kBandwidthUnits);
}
std::string to_text(FlopRate rate) { return exact_text(rate.flops, kFlopUnits); }

std::string rounded_text(Duration duration) {
  const double s = to_seconds(duration);
  if (s < 1e-6) return fmt::format("{} ns", duration.count());
  if (s < 1e-3) return fmt::format("{:.3g} us", s * 1e6);
  if (s < 1) return fmt::format("{:.3g} ms", s * 1e3);
  if (s < 120) return fmt::format("{:.3g} s", s);
  if (s < 7200) return fmt::format("{:.3g} min", s / 60);
  if (s < 172'800) return fmt::format("{:.3g} h", s / 3600);
  return fmt::format("{:.4g} d", s / 86'400);
}

}  // namespace bethany
