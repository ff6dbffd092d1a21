#include "sim/study/sweep/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr std::size_t kMostValues = 100'000;
constexpr double kLargestWhole = 1e15;  // whole numbers below are exact as doubles

[[noreturn]] void fail(const std::string& option, const std::string& message) {
  throw InputError(fmt::format("{}: {}", option, message));
}

/// A number with its unit, as in "4", "0.5" or "250ms".
struct Number {
  double value = 0;
  bool whole = false;
  std::string unit;
};

std::optional<Number> parse_number(std::string_view text) {
  Number number;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number.value);
  if (error != std::errc{} || !std::isfinite(number.value)) return {};
  const std::string_view digits(text.data(), static_cast<std::size_t>(rest - text.data()));
  if (digits.find_first_of("0123456789") == std::string_view::npos) return {};
  number.whole = digits.find_first_of(".eE") == std::string_view::npos &&
                 std::abs(number.value) <= kLargestWhole;
  number.unit = std::string(rest, end);
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/';
  };
  if (!std::all_of(number.unit.begin(), number.unit.end(), is_letter)) return {};
  return number;
}

/// The pieces of "a..b" or "a..b..c" when all of them are numbers of one unit.
std::vector<Number> parse_range(std::string_view text) {
  std::vector<Number> pieces;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t to = std::min(text.find("..", from), text.size());
    const auto number = parse_number(text.substr(from, to - from));
    if (!number || (!pieces.empty() && number->unit != pieces.front().unit)) return {};
    pieces.push_back(*number);
    from = to + 2;
  }
  return pieces.size() < 2 ? std::vector<Number>{} : pieces;
}

/// Plain decimals: a unit may follow, and quantities have no exponents.
std::string number_text(double value, bool whole, const std::string& unit) {
  if (whole) return fmt::format("{:.0f}{}", value, unit);
  auto text = fmt::format("{:.6g}", value);
  if (text.find('e') != std::string::npos) text = fmt::format("{:.12f}", value);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text + unit;
}

void add_range(const std::string& option, const std::vector<Number>& range,
               std::vector<std::string>& values) {
  const bool whole = std::all_of(range.begin(), range.end(), [](auto& n) { return n.whole; });
  if (range.size() == 2 && !whole) fail(option, "a range of fractions needs a step: i..j..step");
  if (range.size() > 3) fail(option, "a range is i..j or i..j..step");
  const double low = range[0].value;
  const double high = range[1].value;
  const double step = range.size() == 3 ? range[2].value : 1;
  if (high < low) fail(option, "the range ends before it begins");
  if (step <= 0) fail(option, "the step of a range is above 0");
  const double last = std::floor((high - low) / step + 1e-9);
  if (last >= static_cast<double>(kMostValues)) {
    fail(option, fmt::format("more than {} values", kMostValues));
  }
  for (int k = 0; k <= static_cast<int>(last); ++k) {
    values.push_back(number_text(low + k * step, whole, range[0].unit));
  }
}

/// Splits at commas outside brackets and quotes.
std::vector<std::string> split_top_level(const std::string& option, const std::string& text,
                                         char separator) {
  std::vector<std::string> pieces(1);
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (!quoted) depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    if (c == separator && depth == 0 && !quoted) {
      pieces.emplace_back();
    } else {
      pieces.back() += c;
    }
  }
  if (depth != 0 || quoted) fail(option, "brackets or quotes do not close");
  for (const auto& piece : pieces) {
    if (piece.empty()) fail(option, "a value is empty");
  }
  return pieces;
}

}  // namespace

KeyAndValues split_setting(const std::string& option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(fmt::format("{} {}", option, text), "expected KEY=VALUES");
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<std::string> axis_values(const std::string& option, const std::string& text) {
  std::vector<std::string> values;
  for (const auto& piece : split_top_level(option, text, ',')) {
    const auto range = parse_range(piece);
    if (range.empty()) {
      values.push_back(piece);
    } else {
      add_range(option, range, values);
    }
    if (values.size() > kMostValues) fail(option, fmt::format("more than {} values", kMostValues));
  }
  return values;
}

RandomValues::RandomValues(const std::string& option, const std::string& text) : text_(text) {
  if (text.find('|') != std::string::npos) {
    choices_ = split_top_level(option, text, '|');
    return;
  }
  logarithmic_ = text.starts_with("log:");
  const auto range = parse_range(logarithmic_ ? text.substr(4) : text);
  if (range.size() != 2) fail(option, "expected low..high, log:low..high or a|b|c");
  low_ = range[0].value;
  high_ = range[1].value;
  unit_ = range[0].unit;
  whole_ = range[0].whole && range[1].whole;
  if (high_ < low_) fail(option, "the range ends before it begins");
  if (logarithmic_ && low_ <= 0) fail(option, "a logarithmic range begins above 0");
}

std::string RandomValues::draw(Rng rng) const {
  if (!choices_.empty()) return choices_[static_cast<std::size_t>(rng.below(choices_.size()))];
  if (whole_ && !logarithmic_) {
    const auto span = static_cast<std::uint64_t>(high_ - low_) + 1;
    return number_text(low_ + static_cast<double>(rng.below(span)), true, unit_);
  }
  const double u = rng.unit();
  double value = logarithmic_ ? std::exp(std::log(low_) + u * (std::log(high_) - std::log(low_)))
                              : low_ + u * (high_ - low_);
  if (whole_) value = std::clamp(std::round(value), low_, high_);
  return number_text(value, whole_, unit_);
}

}  // namespace bethany
