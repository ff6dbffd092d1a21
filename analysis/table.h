#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bethany {

enum class Align { left, right };

/// How much a row should catch the eye, where colour is wanted.
enum class Emphasis { none, best, warning };

/// Rows of text under named columns, printed for people (text), tools (csv) or pages (md).
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::right;
  };
  struct Row {
    std::vector<std::string> cells;  // as many as columns; fewer in a note
    bool note = false;
    Emphasis emphasis = Emphasis::none;
  };

  explicit Table(std::vector<Column> columns);

  /// Requires: a cell for each column.
  void add(std::vector<std::string> cells, Emphasis emphasis = Emphasis::none);
  /// A row of one cell and a remark in place of the others ("infeasible: …"). Requires: at least
  /// two columns.
  void add_note(std::string cell, std::string remark);

  const std::vector<Column>& columns() const { return columns_; }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

enum class TableFormat { text, csv, md };

/// Aligned columns without boxes, two spaces apart, no space at line ends. A remark does not widen
/// columns. Colour (terminal escapes) only when asked for.
std::string to_text(const Table& table, bool colour = false);
/// RFC 4180, except that lines end with a plain line feed: text with a comma, quote or line end is
/// quoted, quotes are doubled. A remark stands in the second column.
std::string to_csv(const Table& table);
/// GitHub-flavoured; pipes are escaped, and what a page would take for markup.
std::string to_markdown(const Table& table);
std::string render(const Table& table, TableFormat format, bool colour = false);

/// The text on one line, with everything escaped that Markdown would take for markup.
std::string markdown_text(std::string_view text);

/// The text on one line, without control characters: names come from files, and a terminal would
/// obey escapes in them.
std::string one_line(std::string_view text);

}  // namespace bethany
