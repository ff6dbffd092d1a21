#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// Whether a field may be written "in quotes", with commas in it and "" for a quote.
enum class CsvQuotes { refused, allowed };

/// Walks a comma-separated file: LF or CRLF, a line a row, no header of its own. Control characters
/// are refused, and so are quotes where the format has none: guessing at them would change names.
class CsvReader {
 public:
  /// `place` names the input in complaints. Throws InputError when there is no line at all.
  CsvReader(std::string_view bytes, const std::string& place,
            CsvQuotes quotes = CsvQuotes::refused);

  /// Goes to the next line; false at the end. Blank lines are allowed at the end only. Throws
  /// InputError for control characters and for quotes that are refused or do not pair.
  bool next();

  int line() const { return line_number_; }
  /// Valid until the next line.
  const std::vector<std::string_view>& fields() const { return fields_; }

  /// Throws InputError "PLACE:LINE: message".
  [[noreturn]] void fail(const std::string& message) const;
  /// Refuses the line unless it has the columns; `columns` names them: "time,node,event".
  void require_columns(std::size_t count, std::string_view columns) const;
  /// Refuses a node name that begins or ends with a blank: it would not pair with its twin.
  std::string_view node_name(std::size_t column) const;

 private:
  void split_quoted(std::string_view line);

  std::string_view rest_;
  std::string place_;
  CsvQuotes quotes_;
  std::string unquoted_;  // what the fields of a line with quotes point into
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
