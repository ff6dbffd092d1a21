#include "analysis/number_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace bethany {

std::string grouped(std::int64_t value) {
  const std::string digits = fmt::format("{}", value);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool boundary = i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0;
    if (boundary) text += ',';
    text += digits[i];
  }
  return text;
}

std::string rounded(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return "-";
  const double size = std::abs(*value);
  if (size >= 1e15) return fmt::format("{:.3e}", *value);
  if (size >= 999.5) return grouped(static_cast<std::int64_t>(std::llround(*value)));
  return fmt::format("{:.3g}", *value);
}

std::string rounded_bytes(std::int64_t bytes) {
  double value = static_cast<double>(bytes);
  const std::array<const char*, 6> units = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; unit + 1 < units.size() && value >= 999.5; ++unit) value /= 1000;
  return fmt::format("{:.3g} {}", value, units[unit]);
}

std::string percent(std::optional<double> share) {
  if (!share || !std::isfinite(*share)) return "-";
  if (*share == 0 || *share == 1) return *share == 0 ? "0 %" : "100 %";
  if (*share > 0 && *share < 0.0005) return "<0.1 %";
  if (*share < 1 && *share >= 0.9995) return ">99.9 %";
  return fmt::format("{:.1f} %", *share * 100);
}

}  // namespace bethany
