#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/model/trace.h"
#include "sim/model/trace_text.h"
#include "traces/csv.h"
#include "traces/fleet_history.h"

namespace bethany {
namespace {

constexpr std::array<std::string_view, 26> kHeader = {
    "System",    "machine type", "nodes",        "procstot",    "procsinnode",  "nodenum",
    "nodenumz",  "node install", "node prod",    "node decom",  "fru type",     "mem",
    "cputype",   "memtype",      "num intercon", "purpose",     "Prob Started", "Prob Fixed",
    "Down Time", "Facilities",   "Hardware",     "Human Error", "Network",      "Undetermined",
    "Software",  "Same Event"};
constexpr std::size_t kSystem = 0;
constexpr std::size_t kNodes = 2;
constexpr std::size_t kNodeNumber = 6;
constexpr std::size_t kStarted = 16;
constexpr std::size_t kFixed = 17;
constexpr std::size_t kFirstCause = 19;
constexpr std::size_t kLastCause = 24;

/// Minutes since 1970-01-01 0:00 of a local clock that knows no daylight saving.
using Minutes = std::chrono::sys_time<std::chrono::minutes>;

std::optional<int> parse_number(std::string_view text, std::size_t digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || text.size() > digits || text[0] == '-') return std::nullopt;
  return value;
}

/// Takes everything before `separator` off the front, the separator with it.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t stop = text.find(separator);
  const auto part = text.substr(0, stop);
  text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
  return part;
}

/// "6/21/2005 10:54", in 1970 to 2060.
std::optional<Minutes> parse_local(std::string_view text) {
  const auto month = parse_number(take(text, '/'), 2);
  const auto day = parse_number(take(text, '/'), 2);
  const auto year = parse_number(take(text, ' '), 4);
  const auto hour = parse_number(take(text, ':'), 2);
  const auto minute = parse_number(text, 2);
  if (!month || !day || !year || !hour || !minute || text.size() != 2) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *year < 1970 || *year > 2060 || *hour > 23 || *minute > 59) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute);
}

std::string to_local_text(Minutes time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto minutes = (time - day).count();
  return fmt::format("{}/{}/{} {}:{:02}", static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), static_cast<int>(date.year()), minutes / 60,
                     minutes % 60);
}

struct Row {
  Minutes started;
  Minutes fixed;
  int node = 0;
  std::string cause;
  int line = 0;
};

/// The failure log of Los Alamos, 1996 to 2005: a row an outage of a node of one of 23 systems.
class LanlCsv final : public TraceImporter {
 public:
  explicit LanlCsv(ObjectReader& options) {
    if (options.raw("system") != nullptr)
      system_ = std::to_string(options.integer("system", 0, 1'000'000));
    if (options.raw("start") != nullptr) start_ = read_local(options, "start");
    if (options.raw("end") != nullptr) end_ = read_local(options, "end");
  }

  bool recognises(std::string_view head) const override { return is_header(first_csv_line(head)); }

  Trace import(std::string_view bytes, const std::string& place) const override {
    CsvReader csv(bytes, place, CsvQuotes::allowed);
    if (!csv.next() || !is_header(csv.fields())) {
      csv.fail(fmt::format("the first line must be the header: {},…,{}", kHeader.front(),
                           kHeader.back()));
    }
    const auto rows = read_rows(csv, place);
    return trace_of(rows.outages, rows.nodes, rows.system, place);
  }

 private:
  struct System {
    std::string system;
    std::string nodes;
    std::vector<Row> outages;
  };

  static bool is_header(const std::vector<std::string_view>& fields) {
    return std::equal(fields.begin(), fields.end(), kHeader.begin(), kHeader.end());
  }

  static Minutes read_local(ObjectReader& options, std::string_view key) {
    const auto text = options.string(key);
    const auto time = parse_local(text);
    if (!time) {
      options.fail(key,
                   fmt::format("'{}' is no time such as \"6/21/2005 10:54\"", printable(text)));
    }
    return *time;
  }

  System read_rows(CsvReader& csv, const std::string& place) const;
  Row read_row(const CsvReader& csv) const;
  Trace trace_of(const std::vector<Row>& rows, const std::string& nodes, const std::string& system,
                 const std::string& place) const;

  std::optional<std::string> system_;
  std::optional<Minutes> start_;
  std::optional<Minutes> end_;
};

/// "2 (49 nodes), 8 (164 nodes) and 17 (nodes not said)".
std::string in_words(const std::map<std::string, std::string>& systems) {
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [system, nodes] : systems) {
    auto words = nodes.empty() ? "nodes not said" : printable(nodes) + " nodes";
    if (nodes == "1") words = "1 node";
    sorted.emplace_back(parse_number(system, 9).value_or(-1),
                        fmt::format("{} ({})", printable(system), words));
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> words;
  for (const auto& [number, word] : sorted) words.push_back(word);
  return list_in_words(words);
}

LanlCsv::System LanlCsv::read_rows(CsvReader& csv, const std::string& place) const {
  System wanted;
  std::map<std::string, std::string> systems;  // and their nodes
  const auto complain = [&](const std::string& what) {
    throw InputError(fmt::format("{}: {}: {}", place, what, in_words(systems)));
  };
  while (csv.next()) {
    csv.require_columns(kHeader.size(), "System,machine type,…,Same Event");
    const std::string system(csv.fields()[kSystem]);
    const std::string nodes(csv.fields()[kNodes]);
    const auto [known, is_new] = systems.emplace(system, nodes);
    if (known->second != nodes) {
      csv.fail(fmt::format("system {} has {} nodes here and {} above", printable(system),
                           printable(nodes), printable(known->second)));
    }
    // Without the option there must be one system; others are only listed.
    if (system != system_.value_or(systems.size() == 1 ? system : wanted.system)) continue;
    wanted.system = system;
    wanted.nodes = nodes;
    wanted.outages.push_back(read_row(csv));
  }
  if (systems.empty()) csv.fail("no row follows the header");
  if (!system_ && systems.size() > 1) complain("several systems; the option 'system' chooses one");
  if (wanted.outages.empty()) complain(fmt::format("there is no system {}; there are", *system_));
  return wanted;
}

Row LanlCsv::read_row(const CsvReader& csv) const {
  Row row;
  row.line = csv.line();
  const auto number = parse_number(csv.fields()[kNodeNumber], 6);
  if (!number) {
    csv.fail(fmt::format("nodenumz '{}' is no node number", printable(csv.fields()[kNodeNumber])));
  }
  row.node = *number;
  const auto time = [&](std::size_t column) {
    const auto result = parse_local(csv.fields()[column]);
    if (!result) {
      csv.fail(fmt::format("{} '{}' is no time such as 6/21/2005 10:54", kHeader[column],
                           printable(csv.fields()[column])));
    }
    if (start_ && *result < *start_) {
      csv.fail(fmt::format("the row lies before the start {}", to_local_text(*start_)));
    }
    if (end_ && *result > *end_) {
      csv.fail(fmt::format("the row lies behind the end {}", to_local_text(*end_)));
    }
    return *result;
  };
  row.started = time(kStarted);
  row.fixed = time(kFixed);
  if (row.fixed < row.started) csv.fail("Prob Fixed lies before Prob Started");
  for (std::size_t column = kFirstCause; column <= kLastCause; ++column) {
    const auto text = csv.fields()[column];
    if (text.empty()) continue;
    if (!row.cause.empty()) row.cause += "; ";
    row.cause += kHeader[column];
    if (text != kHeader[column]) row.cause += fmt::format(": {}", text);
  }
  return row;
}

Trace LanlCsv::trace_of(const std::vector<Row>& rows, const std::string& nodes,
                        const std::string& system, const std::string& place) const {
  Minutes first = rows.front().started;
  Minutes last = rows.front().fixed;
  for (const Row& row : rows) {
    first = std::min(first, row.started);
    last = std::max(last, row.fixed);
  }
  // Midnight before the first row: a node that is lost at the start was never there.
  const Minutes start =
      start_.value_or(std::chrono::floor<std::chrono::days>(first - std::chrono::minutes(1)));
  const auto time = [start](Minutes minutes) { return at(minutes - start); };
  FleetHistory history(place);
  history.header().source = fmt::format("imported as lanl-csv, system {}, from {} local time",
                                        printable(system), to_local_text(start));
  for (const Row& row : rows) {
    const NodeId node = history.node(fmt::format("node{}", row.node), row.line);
    history.down(node, time(row.started), time(row.fixed), row.cause, row.line);
  }
  const auto fleet = parse_number(nodes, 6);
  if (!fleet || static_cast<std::size_t>(*fleet) < history.node_count()) {
    throw InputError(fmt::format("{}: system {} has '{}' nodes, but {} failed", place,
                                 printable(system), printable(nodes), history.node_count()));
  }
  history.fill_up(static_cast<std::size_t>(*fleet));
  return history.finish(at(Duration(0)), time(end_.value_or(last)));
}

const bool registered = trace_importers().add({
    .name = "lanl-csv",
    .summary = "the failure log of Los Alamos, 1996-2005; options system, start, end",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceImporter> {
      return std::make_unique<LanlCsv>(options);
    },
});

}  // namespace
}  // namespace bethany
