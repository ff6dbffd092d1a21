#include "sim/study/sweep/runs_table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <iterator>
#include <map>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/study/sweep/lines.h"

namespace bethany {
namespace {

namespace dom = simdjson::dom;

/// One line of runs.jsonl; views into the parser, valid until the next.
struct Run {
  dom::object assignment;
  std::int64_t replication = 0;
  std::string_view status;
  std::string_view reason;
  dom::element result;
};

class RunSource {
 public:
  explicit RunSource(const std::string& path) : lines_(path) {}

  bool next(Run& run) {
    std::string_view line;
    if (!lines_.next(line)) return false;
    ++count_;
    dom::element whole;
    run.reason = {};
    const bool read =
        parser_.parse(line.data(), line.size()).get(whole) == simdjson::SUCCESS &&
        whole["assignment"].get(run.assignment) == simdjson::SUCCESS &&
        whole["replication"].get(run.replication) == simdjson::SUCCESS &&
        whole["status"].get(run.status) == simdjson::SUCCESS &&
        whole["result"].get(run.result) == simdjson::SUCCESS &&
        (whole["reason"].is_null() || whole["reason"].get(run.reason) == simdjson::SUCCESS);
    if (!read) throw InputError(fmt::format("{}:{}: not a run", lines_.path(), count_));
    return true;
  }

 private:
  LineSource lines_;
  dom::parser parser_;
  std::int64_t count_ = 0;
};

/// Calls `take(key, element)` for every number below an element, under its dotted key.
template <class Take>
void each_number(const dom::element& element, std::string& key, const Take& take) {
  const std::size_t length = key.size();
  const auto below = [&](std::string_view name, const dom::element& value) {
    if (length > 0) key += '.';
    key += name;
    each_number(value, key, take);
    key.resize(length);
  };
  dom::object object;
  dom::array array;
  if (element.get(object) == simdjson::SUCCESS) {
    for (const auto& [name, value] : object) below(name, value);
  } else if (element.get(array) == simdjson::SUCCESS) {
    std::size_t place = 0;
    for (const auto value : array) below(fmt::format("{}", ++place), value);
  } else if (element.is_number()) {
    take(key, element);
  }
}

std::string number_text(const dom::element& value) {
  std::int64_t whole = 0;
  if (value.get(whole) == simdjson::SUCCESS) return fmt::format("{}", whole);
  return fmt::format("{}", double(value));
}

/// RFC 4180.
void add_cell(std::string_view text, std::string& line) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

void add_value(const dom::element& value, std::string& line) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    add_cell(text, line);
  } else {
    add_cell(value.is_number() ? number_text(value) : std::string(simdjson::minify(value)), line);
  }
}

/// The columns of the numbers: each key's place.
struct Columns {
  std::map<std::string, std::size_t, std::less<>> place;
  std::vector<std::string> keys;
};

Columns number_columns(const std::string& runs) {
  RunSource source(runs);
  Columns columns;
  Run run;
  std::string key;
  while (source.next(run)) {
    each_number(run.result, key, [&](const std::string& name, const dom::element&) {
      if (columns.place.find(name) != columns.place.end()) return;
      // An axis of that name has the column already.
      if (run.assignment.at_key(name).error() == simdjson::SUCCESS) return;
      columns.place.emplace(name, columns.keys.size());
      columns.keys.push_back(name);
    });
  }
  return columns;
}

}  // namespace

SweepSummary summarise_runs(const std::string& path, std::size_t most_rows) {
  SweepSummary summary;
  RunSource source(path);
  Run run;
  std::string last;
  double total = 0;
  while (source.next(run)) {
    ++summary.runs;
    const bool ok = run.status == "ok";
    (ok ? summary.ok : run.status == "infeasible" ? summary.infeasible : summary.invalid) += 1;
    auto assignment = std::string(simdjson::minify(run.assignment));
    if (assignment != last || summary.all_rows == 0) {
      ++summary.all_rows;
      total = 0;
      if (summary.rows.size() < most_rows) {
        summary.rows.push_back({.assignment = parse_json(assignment, path)});
      }
      last = std::move(assignment);
    }
    if (static_cast<std::size_t>(summary.all_rows) > most_rows) continue;
    auto& row = summary.rows.back();
    ++row.runs;
    double goodput = 0;
    if (ok && run.result["goodput_tokens_per_s"].get(goodput) == simdjson::SUCCESS) {
      total += goodput;
      row.goodput_tokens_per_s = total / static_cast<double>(++row.ok);
    } else if (row.reason.empty()) {
      row.reason = std::string(run.reason);
    }
  }
  return summary;
}

void write_runs_csv(const std::string& runs, const std::string& csv) {
  const auto columns = number_columns(runs);
  OutputFile file(csv);
  RunSource source(runs);
  Run run;
  std::string line;
  std::string key;
  std::vector<std::string> numbers;
  bool first = true;
  while (source.next(run)) {
    if (first) {
      for (const auto& [name, value] : run.assignment) {
        add_cell(name, line);
        line += ',';
      }
      line += "replication,status,reason";
      for (const auto& name : columns.keys) line += "," + name;
      line += '\n';
      first = false;
    }
    for (const auto& [name, value] : run.assignment) {
      add_value(value, line);
      line += ',';
    }
    line += fmt::format("{},{},", run.replication, run.status);
    add_cell(run.reason, line);
    numbers.assign(columns.keys.size(), "");
    each_number(run.result, key, [&](const std::string& name, const dom::element& value) {
      const auto column = columns.place.find(name);
      if (column != columns.place.end()) numbers[column->second] = number_text(value);
    });
    for (const auto& number : numbers) line += "," + number;
    line += '\n';
    file.write(line);
    line.clear();
  }
  file.finish();
}

}  // namespace bethany
