#include "sim/cli/sweep_output.h"

#include <fmt/format.h>

#include "analysis/answers.h"
#include "analysis/number_text.h"
#include "sim/study/sweep/runs_table.h"

namespace bethany {
namespace {

constexpr std::size_t kMostRows = 40;

JsonNode sweep_answer(const std::string& directory, const SweepSummary& summary) {
  JsonNode answer;
  answer.member("schema") = JsonNode::of("bethany/sweep/1");
  answer.member("version") = JsonNode::of(BETHANY_VERSION);
  answer.member("directory") = JsonNode::of(directory);
  answer.member("runs") = JsonNode::of(summary.runs);
  auto& status = answer.member("status");
  status.member("ok") = JsonNode::of(summary.ok);
  status.member("infeasible") = JsonNode::of(summary.infeasible);
  status.member("invalid") = JsonNode::of(summary.invalid);
  std::vector<JsonNode> rows;
  for (const auto& row : summary.rows) {
    JsonNode entry;
    entry.member("assignment") = row.assignment;
    entry.member("runs") = JsonNode::of(row.runs);
    entry.member("ok") = JsonNode::of(row.ok);
    entry.member("goodput_tokens_per_s") = number_or_null(row.goodput_tokens_per_s);
    entry.member("reason") = row.reason.empty() ? JsonNode{} : JsonNode::of(row.reason);
    rows.push_back(std::move(entry));
  }
  answer.member("rows") = JsonNode::array_of(std::move(rows));
  answer.member("rows_left_out") =
      JsonNode::of(summary.all_rows - static_cast<std::int64_t>(summary.rows.size()));
  return answer;
}

Table sweep_table(const SweepSummary& summary) {
  std::vector<Table::Column> columns;
  for (const auto& member : summary.rows.front().assignment.members) {
    columns.push_back({member.key, Align::left});
  }
  for (const char* title : {"runs", "ok", "mean tokens/s"}) columns.push_back({title});
  columns.push_back({"why not", Align::left});
  Table table(std::move(columns));
  for (const auto& row : summary.rows) {
    std::vector<std::string> cells;
    for (const auto& [key, value] : row.assignment.members) {
      cells.push_back(value.kind == JsonNode::Kind::string ? value.text : to_line(value));
    }
    cells.push_back(grouped(row.runs));
    cells.push_back(grouped(row.ok));
    cells.push_back(rounded(row.goodput_tokens_per_s));
    cells.push_back(row.reason);
    table.add(std::move(cells), row.ok == 0 ? Emphasis::warning : Emphasis::none);
  }
  return table;
}

}  // namespace

void print_sweep(const std::string& directory, const OutputOptions& output) {
  const auto summary = summarise_runs(directory + "/runs.jsonl", kMostRows);
  if (output.format == "json") {
    print_json(sweep_answer(directory, summary));
    return;
  }
  if (!summary.rows.empty()) print_table(sweep_table(summary), output.format);
  if (output.format == "csv") return;
  const auto rows = static_cast<std::int64_t>(summary.rows.size());
  if (summary.all_rows > rows) {
    print_text(fmt::format("\n{} further rows: {}/runs.csv\n", grouped(summary.all_rows - rows),
                           directory));
  }
  print_text(fmt::format("\n{} runs in {}: {} ok, {} infeasible, {} invalid\n",
                         grouped(summary.runs), directory, grouped(summary.ok),
                         grouped(summary.infeasible), grouped(summary.invalid)));
}

}  // namespace bethany
