#include "traces/csv.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/error.h"
#include "sim/base/int128.h"
#include "sim/base/time.h"
#include "sim/model/trace_file.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

void split(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  std::size_t first = 0;
  for (std::size_t comma = line.find(','); comma != std::string_view::npos;
       comma = line.find(',', first)) {
    fields.push_back(line.substr(first, comma - first));
    first = comma + 1;
  }
  fields.push_back(line.substr(first));
}

/// Takes the next line off the front, without its LF or CRLF.
std::string_view take_line(std::string_view& rest) {
  const std::size_t stop = rest.find('\n');
  auto line = rest.substr(0, stop);
  rest.remove_prefix(stop == std::string_view::npos ? rest.size() : stop + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; }

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

CsvReader::CsvReader(std::string_view bytes, const std::string& place, CsvQuotes quotes)
    : rest_(without_byte_order_mark(bytes)), place_(place), quotes_(quotes) {
  if (is_blank(rest_)) throw InputError(fmt::format("{}: the file is empty", place_));
}

void CsvReader::fail(const std::string& message) const {
  throw InputError(fmt::format("{}:{}: {}", place_, line_number_, message));
}

bool CsvReader::next() {
  if (rest_.empty()) return false;
  const auto line = take_line(rest_);
  ++line_number_;
  if (is_blank(line)) {
    if (!is_blank(rest_)) fail("an empty line");
    rest_ = {};
    return false;
  }
  if (std::any_of(line.begin(), line.end(), is_control)) {
    fail("a control character; is this a text file?");
  }
  if (line.find('"') == std::string_view::npos) {
    split(line, fields_);
  } else if (quotes_ == CsvQuotes::allowed) {
    split_quoted(line);
  } else {
    fail("a quote character; quoted fields are not part of this format");
  }
  return true;
}

void CsvReader::split_quoted(std::string_view line) {
  fields_.clear();
  unquoted_.clear();
  unquoted_.reserve(line.size());  // never more than that: the fields keep pointing into it
  for (std::size_t i = 0; i <= line.size(); ++i) {
    const std::size_t first = unquoted_.size();
    if (i < line.size() && line[i] == '"') {
      bool open = true;
      for (++i; open && i < line.size(); ++i) {
        const bool twice = line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"';
        open = line[i] != '"' || twice;
        if (open) unquoted_ += line[i];
        if (twice) ++i;
      }
      if (open) fail("a quoted field does not end on its line");
      if (i < line.size() && line[i] != ',') fail("text behind a quoted field");
    } else {
      for (; i < line.size() && line[i] != ','; ++i) {
        if (line[i] == '"') fail("a quote character inside a field that is not quoted");
        unquoted_ += line[i];
      }
    }
    fields_.push_back(std::string_view(unquoted_).substr(first));
  }
}

void CsvReader::require_columns(std::size_t count, std::string_view columns) const {
  if (fields_.size() == count) return;
  fail(fmt::format("{} columns, expected {}: {}", fields_.size(), count, columns));
}

std::string_view CsvReader::node_name(std::size_t column) const {
  const auto name = fields_[column];
  if (name.empty()) fail("the node has no name");
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (blank(name.front()) || blank(name.back())) {
    fail(fmt::format("node name '{}' begins or ends with a blank", printable(name)));
  }
  return name;
}

std::vector<std::string_view> first_csv_line(std::string_view head) {
  head = without_byte_order_mark(head);
  const auto line = take_line(head);
  std::vector<std::string_view> fields;
  const bool plain =
      std::none_of(line.begin(), line.end(), [](char c) { return is_control(c) || c == '"'; });
  if (plain && !line.empty()) split(line, fields);
  return fields;
}

std::optional<std::int64_t> parse_decimal_ns(std::string_view text, std::int64_t unit_ns) {
  const std::size_t point = text.find('.');
  const auto whole = text.substr(0, point);
  auto fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return std::nullopt;
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(fraction.begin(), fraction.end(), is_digit)) {
    return std::nullopt;
  }
  // Without the point the digits end in no zero, so 2^k or 5^k must divide the unit for k decimals
  // to be whole; the largest unit, a day, is 2^16 · 5^11 · 27 ns.
  if (fraction.size() > 16) return std::nullopt;
  const Int128 limit = kLongest.count();
  Int128 value = 0;
  for (const char c : whole) {
    value = 10 * value + (c - '0');
    if (value * unit_ns > limit) return std::nullopt;
  }
  Int128 scale = 1;
  for (const char c : fraction) {
    value = 10 * value + (c - '0');
    scale *= 10;
  }
  value *= unit_ns;
  if (value % scale != 0 || value / scale > limit) return std::nullopt;
  return static_cast<std::int64_t>(value / scale);
}

}  // namespace bethany
