#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/study/reproduction.h"

namespace bethany {
namespace {

/// An error above this needs a sentence.
constexpr double kMiss = 0.10;

JsonNode number_or_null(const std::optional<double>& value) {
  return value ? JsonNode::of(*value) : JsonNode();
}

/// Three significant digits, whole numbers from 1000 on.
std::string short_number(const std::optional<double>& value) {
  if (!value) return "-";
  const double size = std::abs(*value);
  if (size >= 1000) return fmt::format("{:.0f}", *value);
  if (size >= 100) return fmt::format("{:.0f}", *value);
  if (size >= 10) return fmt::format("{:.1f}", *value);
  if (size >= 1) return fmt::format("{:.2f}", *value);
  return fmt::format("{:.3f}", *value);
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:+.0f} %", 100 * *share) : "-";
}

std::string range(const ReproducedRow& row) {
  if (row.draws.size() < 2 || *row.low() == *row.high()) return "-";
  return fmt::format("{}..{}", short_number(row.low()), short_number(row.high()));
}

/// Why a row is off, as far as it is known.
std::string note_of(const ReproducedRow& row) {
  const auto error = row.relative_error();
  const bool within = error && std::abs(*error) > kMiss && *row.published >= *row.low() &&
                      *row.published <= *row.high();
  if (!within) return row.note;
  return (row.note.empty() ? "" : row.note + "; ") +
         "the published value lies within the range of the draws";
}

JsonNode row_json(const ReproducedRow& row) {
  JsonNode node;
  node.member("id") = JsonNode::of(row.id);
  node.member("quantity") = JsonNode::of(row.quantity);
  node.member("unit") = JsonNode::of(row.unit);
  node.member("published") = number_or_null(row.published);
  node.member("simulated") = number_or_null(row.mean());
  node.member("low") = number_or_null(row.low());
  node.member("high") = number_or_null(row.high());
  node.member("draws") = JsonNode::of(static_cast<std::int64_t>(row.draws.size()));
  node.member("relative_error") = number_or_null(row.relative_error());
  node.member("role") = JsonNode::of(std::string(name_of(row.role)));
  node.member("source") = JsonNode::of(row.source);
  node.member("note") = JsonNode::of(note_of(row));
  return node;
}

JsonNode statement_json(const ReproducedStatement& statement) {
  JsonNode node;
  node.member("id") = JsonNode::of(statement.id);
  node.member("statement") = JsonNode::of(statement.statement);
  node.member("held") = JsonNode::of(statement.held);
  node.member("draws") = JsonNode::of(statement.draws);
  node.member("source") = JsonNode::of(statement.source);
  node.member("note") = JsonNode::of(statement.note);
  return node;
}

Table rows_table(const Reproduction& reproduction, TableFormat format) {
  const bool whole = format != TableFormat::text;  // room for everything
  std::vector<Table::Column> columns = {
      {"id", Align::left},         {"quantity", Align::left},   {"unit", Align::left},
      {"published", Align::right}, {"simulated", Align::right}, {"range", Align::right},
      {"draws", Align::right},     {"error", Align::right},     {"role", Align::left}};
  if (whole) columns.push_back({"source", Align::left});
  if (whole) columns.push_back({"note", Align::left});
  Table table(columns);
  for (const auto& row : reproduction.rows) {
    std::vector<std::string> cells = {row.id,
                                      row.quantity,
                                      row.unit,
                                      short_number(row.published),
                                      short_number(row.mean()),
                                      range(row),
                                      std::to_string(row.draws.size()),
                                      percent(row.relative_error()),
                                      std::string(name_of(row.role))};
    if (whole) cells.push_back(row.source);
    if (whole) cells.push_back(note_of(row));
    table.add(cells);
  }
  return table;
}

Table statements_table(const Reproduction& reproduction) {
  Table table({{"id", Align::left}, {"statement", Align::left}, {"held in", Align::right}});
  for (const auto& statement : reproduction.statements) {
    const auto held = statement.draws == 0
                          ? std::string("-")
                          : fmt::format("{} of {}", statement.held, statement.draws);
    table.add({statement.id, statement.statement, held});
  }
  return table;
}

}  // namespace

std::string error_summary(const Reproduction& reproduction, RowRole role) {
  double sum = 0;
  double worst = 0;
  int count = 0;
  for (const auto& row : reproduction.rows) {
    const auto error = row.relative_error();
    if (row.role != role || !error) continue;
    sum += std::abs(*error);
    worst = std::max(worst, std::abs(*error));
    ++count;
  }
  if (count == 0) return "";
  return fmt::format("{} rows, off by {:.1f} % in the mean, {:.0f} % at most", count,
                     100 * sum / count, 100 * worst);
}

JsonNode reproduction_answer(const Reproduction& reproduction) {
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/reproduce/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  answer.member("paper") = JsonNode::of(reproduction.paper);
  answer.member("parameters") = JsonNode::of(reproduction.parameters);
  std::vector<JsonNode> rows;
  for (const auto& row : reproduction.rows) rows.push_back(row_json(row));
  answer.member("rows") = JsonNode::array_of(std::move(rows));
  std::vector<JsonNode> statements;
  for (const auto& one : reproduction.statements) statements.push_back(statement_json(one));
  answer.member("statements") = JsonNode::array_of(std::move(statements));
  std::vector<JsonNode> missing;
  for (const auto& file : reproduction.missing_inputs) missing.push_back(JsonNode::of(file));
  answer.member("missing_inputs") = JsonNode::array_of(std::move(missing));
  return answer;
}

std::string reproduction_text(const Reproduction& reproduction, TableFormat format) {
  std::string text = render(rows_table(reproduction, format), format);
  if (format == TableFormat::csv) return text;
  const bool page = format == TableFormat::md;
  const auto line = [&](const std::string& words) {
    text += (page ? markdown_text(words) : words) + "\n";
  };
  if (!reproduction.statements.empty()) {
    text += "\n" + render(statements_table(reproduction), format);
  }
  text += "\n";
  line(reproduction.parameters);
  for (const auto role : {RowRole::predicted, RowRole::selected, RowRole::fitted}) {
    const auto errors = error_summary(reproduction, role);
    if (errors.empty()) continue;
    text += "\n";
    line(fmt::format("{}: {}", name_of(role), errors));
  }
  if (!page) {
    text += "\n";
    for (const auto& row : reproduction.rows) {
      const auto note = note_of(row);
      if (!note.empty()) line(fmt::format("{}: {}", row.id, note));
    }
  }
  for (const auto& one : reproduction.statements) {
    if (!one.note.empty()) line(fmt::format("{}: {}", one.id, one.note));
  }
  for (const auto& file : reproduction.missing_inputs) {
    line(
        fmt::format("missing: {} below $BETHANY_TRACES (bethany list traces says where it is "
                    "published); what needs it has no simulated value",
                    file));
  }
  return text;
}

}  // namespace bethany
