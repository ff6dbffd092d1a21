#include "analysis/table.h"

#include <algorithm>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kGap = "  ";

/// Characters of UTF-8 text, taken as one column wide each.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  for (const auto& column : table.columns()) widths.push_back(width(one_line(column.title)));
  for (const auto& row : table.rows()) {
    const std::size_t cells = row.note ? 1 : row.cells.size();
    for (std::size_t i = 0; i < cells; ++i) {
      widths[i] = std::max(widths[i], width(one_line(row.cells[i])));
    }
  }
  return widths;
}

/// One line, not ended; trailing spaces are left out.
std::string line_of(const Table& table, const std::vector<std::size_t>& widths,
                    const std::vector<std::string>& cells, bool note) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string cell = one_line(cells[i]);
    const bool free = note && i > 0;
    const std::size_t pad = free ? 0 : widths[i] - width(cell);
    if (i > 0) line += kGap;
    if (!free && table.columns()[i].align == Align::right) line.append(pad, ' ');
    line += cell;
    if (!free && table.columns()[i].align == Align::left) line.append(pad, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string coloured(const std::string& line, std::string_view colour) {
  return std::string(colour) + line + std::string(kPlain);
}

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string markdown_line(std::vector<std::string> cells, std::size_t columns) {
  cells.resize(columns);
  std::string line = "|";
  for (const auto& cell : cells) line += " " + markdown_text(cell) + " |";
  return line + "\n";
}

std::string csv_line(std::vector<std::string> cells, std::size_t columns) {
  cells.resize(columns);
  std::string line;
  for (const auto& cell : cells) line += (&cell == cells.data() ? "" : ",") + csv_cell(cell);
  return line + "\n";
}

std::vector<std::string> titles_of(const Table& table) {
  std::vector<std::string> titles;
  for (const auto& column : table.columns()) titles.push_back(column.title);
  return titles;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  BETHANY_CHECK(!columns_.empty(), "a table without columns");
}

void Table::add(std::vector<std::string> cells, Emphasis emphasis) {
  BETHANY_CHECK(cells.size() == columns_.size(), "{} cells in a row of {} columns", cells.size(),
                columns_.size());
  rows_.push_back({.cells = std::move(cells), .note = false, .emphasis = emphasis});
}

void Table::add_note(std::string cell, std::string remark) {
  BETHANY_CHECK(columns_.size() > 1, "a note in a table of {} column", columns_.size());
  rows_.push_back(
      {.cells = {std::move(cell), std::move(remark)}, .note = true, .emphasis = Emphasis::warning});
}

std::string to_text(const Table& table, bool colour) {
  const auto widths = widths_of(table);
  const std::string title = line_of(table, widths, titles_of(table), false);
  std::string text = (colour ? coloured(title, kBold) : title) + "\n";
  for (const auto& row : table.rows()) {
    const std::string line = line_of(table, widths, row.cells, row.note);
    if (!colour || row.emphasis == Emphasis::none) {
      text += line;
    } else {
      text += coloured(line, row.emphasis == Emphasis::best ? kGreen : kRed);
    }
    text += "\n";
  }
  return text;
}

std::string to_csv(const Table& table) {
  const std::size_t columns = table.columns().size();
  std::string text = csv_line(titles_of(table), columns);
  for (const auto& row : table.rows()) text += csv_line(row.cells, columns);
  return text;
}

std::string to_markdown(const Table& table) {
  const std::size_t columns = table.columns().size();
  std::string text = markdown_line(titles_of(table), columns) + "|";
  for (const auto& column : table.columns()) {
    text += column.align == Align::right ? " ---: |" : " :--- |";
  }
  text += "\n";
  for (const auto& row : table.rows()) text += markdown_line(row.cells, columns);
  return text;
}

std::string render(const Table& table, TableFormat format, bool colour) {
  switch (format) {
    case TableFormat::text:
      return to_text(table, colour);
    case TableFormat::csv:
      return to_csv(table);
    case TableFormat::md:
      return to_markdown(table);
  }
  return {};
}

std::string markdown_text(std::string_view text) {
  std::string escaped;
  for (const char c : one_line(text)) {
    if (c == '<') {
      escaped += "&lt;";
      continue;
    }
    if (std::string_view("\\|`*_[]").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string one_line(std::string_view text) {
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      clean += ' ';
    } else if (byte < 32 || byte == 127) {
      clean += '?';
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {
      clean += '?';  // the second set of control characters, as UTF-8
      ++i;
    } else {
      clean += text[i];
    }
  }
  return clean;
}

}  // namespace bethany
