#include <fmt/format.h>

#include <array>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/trace.h"
#include "sim/model/trace_text.h"
#include "traces/csv.h"

namespace bethany {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr std::array kUnits = {Unit{"ns", 1},
                               Unit{"us", 1'000},
                               Unit{"ms", 1'000'000},
                               Unit{"s", 1'000'000'000},
                               Unit{"min", 60'000'000'000},
                               Unit{"h", 3'600'000'000'000},
                               Unit{"d", 86'400'000'000'000}};

const std::vector<std::string> kJoinWords = {"join", "add", "up", "repaired"};
const std::vector<std::string> kLostWords = {"lost", "remove", "down", "failed"};

std::vector<std::string> unit_names() {
  std::vector<std::string> names;
  for (const auto& unit : kUnits) names.emplace_back(unit.name);
  return names;
}

struct Row {
  SimTime time;
  NodeId node;
  TraceEventKind kind = TraceEventKind::join;
  int line = 0;
};

/// "My own failure log": `time,node,event` with that header. A node whose first event is a loss was
/// there from the start: the one repair, counted.
class LogCsv final : public TraceImporter {
 public:
  explicit LogCsv(ObjectReader& options) {
    const auto name = options.choice("unit", unit_names(), "s");
    for (const auto& unit : kUnits) {
      if (unit.name == name) unit_ = unit;
    }
    start_ = options.duration("start", Duration(0));
    if (options.has("end")) end_ = options.duration("end");
  }

  bool recognises(std::string_view head) const override { return is_header(first_csv_line(head)); }

  Trace import(std::string_view bytes, const std::string& place) const override {
    CsvReader csv(bytes, place);
    if (!csv.next() || !is_header(csv.fields())) {
      csv.fail("the first line must be the header: time,node,event");
    }
    TraceBuilder builder(place);
    builder.header().source = "imported as log-csv";
    const auto rows = read_rows(csv, builder);
    const SimTime end = end_ ? at(*end_) : rows.empty() ? at(start_) : rows.back().time;
    add_present_at_start(rows, builder);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      const bool bulk = i > 0 && rows[i - 1].time == row.time && rows[i - 1].kind == row.kind;
      if (bulk) {
        builder.extend(row.node, row.line);
      } else {
        builder.add(row.time, row.kind, {&row.node, 1}, row.line);
      }
    }
    return builder.finish(at(start_), end);
  }

 private:
  static bool is_header(const std::vector<std::string_view>& fields) {
    return fields.size() == 3 && fields[0] == "time" && fields[1] == "node" && fields[2] == "event";
  }

  std::vector<Row> read_rows(CsvReader& csv, TraceBuilder& builder) const {
    std::vector<Row> rows;
    while (csv.next()) {
      csv.require_columns(3, "time,node,event");
      Row row;
      row.time = time(csv);
      row.node = builder.node(csv.node_name(1));
      row.kind = event(csv);
      row.line = csv.line();
      if (!rows.empty() && row.time < rows.back().time) {
        csv.fail(fmt::format("time goes back to {} {}; sort the rows by time", csv.fields()[0],
                             unit_.name));
      }
      rows.push_back(row);
    }
    return rows;
  }

  SimTime time(const CsvReader& csv) const {
    const auto text = csv.fields()[0];
    const auto ns = parse_decimal_ns(text, unit_.ns);
    if (!ns) {
      csv.fail(
          fmt::format("'{}' is not a time in {}: a decimal number from 0 to 100 years, whole "
                      "in nanoseconds",
                      printable(text), unit_.name));
    }
    const SimTime result = at(Duration(*ns));
    if (result < at(start_))
      csv.fail(fmt::format("the row lies before the start {}", to_text(start_)));
    if (end_ && result > at(*end_)) {
      csv.fail(fmt::format("the row lies behind the end {}", to_text(*end_)));
    }
    return result;
  }

  static TraceEventKind event(const CsvReader& csv) {
    const auto word = csv.fields()[2];
    for (const auto& known : kJoinWords) {
      if (word == known) return TraceEventKind::join;
    }
    for (const auto& known : kLostWords) {
      if (word == known) return TraceEventKind::lost;
    }
    auto words = kJoinWords;
    words.insert(words.end(), kLostWords.begin(), kLostWords.end());
    csv.fail(unknown_name("event", printable(word), words));
  }

  /// Lets the nodes whose first row is a loss join at the start, in the order of those rows.
  void add_present_at_start(const std::vector<Row>& rows, TraceBuilder& builder) const {
    std::vector<bool> seen(builder.header().node_names.size());
    std::vector<NodeId> present;
    int line = 0;
    for (const auto& row : rows) {
      if (seen[row.node.index()]) continue;
      seen[row.node.index()] = true;
      if (row.kind != TraceEventKind::lost) continue;
      present.push_back(row.node);
      if (line == 0) line = row.line;
    }
    if (present.empty()) return;
    builder.add(at(start_), TraceEventKind::join, present, line);
    builder.header().rows_repaired = static_cast<std::int64_t>(present.size());
  }

  Unit unit_ = kUnits[3];
  Duration start_{0};
  std::optional<Duration> end_;
};

const bool registered = trace_importers().add({
    .name = "log-csv",
    .summary = "my own failure log: a header time,node,event; the option unit says what time is in",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceImporter> {
      return std::make_unique<LogCsv>(options);
    },
});

}  // namespace
}  // namespace bethany
