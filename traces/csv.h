#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// Walks a plain comma-separated file: LF or CRLF, no quoting, no header of its own. Files with
/// quotes or control characters are refused, because guessing at them would change names.
class CsvReader {
 public:
  /// `place` names the input in complaints. Throws InputError when there is no line at all.
  CsvReader(std::string_view bytes, const std::string& place);

  /// Goes to the next line; false at the end. Blank lines are allowed at the end only. Throws
  /// InputError for quotes and control characters.
  bool next();

  int line() const { return line_number_; }
  const std::vector<std::string_view>& fields() const { return fields_; }

  /// Throws InputError "PLACE:LINE: message".
  [[noreturn]] void fail(const std::string& message) const;
  /// Refuses the line unless it has the columns; `columns` names them: "time,node,event".
  void require_columns(std::size_t count, std::string_view columns) const;
  /// Refuses a node name that begins or ends with a blank: it would not pair with its twin.
  std::string_view node_name(std::size_t column) const;

 private:
  std::string_view rest_;
  std::string place_;
  int line_number_ = 0;
  std::vector<std::string_view> fields_;
};

/// The fields of the first line of a file's head, without its line end; none when it has a quote or
/// a control character.
std::vector<std::string_view> first_csv_line(std::string_view head);

/// A decimal number of `unit_ns` nanoseconds each, exactly: "12", "0.25"; no sign, no exponent.
/// Empty when it is no such number or not whole in nanoseconds; a value beyond kLongest too.
std::optional<std::int64_t> parse_decimal_ns(std::string_view text, std::int64_t unit_ns);

}  // namespace bethany
