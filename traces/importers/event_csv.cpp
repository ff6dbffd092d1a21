#include <fmt/format.h>

#include <algorithm>

#include "sim/base/text.h"
#include "sim/model/trace.h"
#include "sim/model/trace_text.h"
#include "traces/csv.h"

namespace bethany {
namespace {

const std::vector<std::string> kOperations = {"add", "remove"};
constexpr std::int64_t kMillisecond = 1'000'000;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// `ms,add|remove,node`: the format of Bamboo, Oobleck and Parcae. Time counts from the beginning
/// of the recording, so the trace starts at 0 even when the first row is later; it ends with the
/// last row. Rows of one instant and operation that follow each other are one bulk event.
class EventCsv final : public TraceImporter {
 public:
  bool recognises(std::string_view head) const override {
    const auto fields = first_csv_line(head);
    // A misspelt operation is still this format: the import then says what is wrong.
    return fields.size() == 3 && is_number(fields[0]) &&
           nearest_name(fields[1], kOperations).has_value();
  }

  Trace import(std::string_view bytes, const std::string& place) const override {
    CsvReader csv(bytes, place);
    TraceBuilder builder(place);
    builder.header().source = "imported as event-csv";
    SimTime end = at(Duration(0));
    auto last_kind = TraceEventKind::notice;  // of no row
    while (csv.next()) {
      csv.require_columns(3, "ms,add|remove,node");
      const SimTime time = at(Duration(milliseconds(csv) * kMillisecond));
      const auto kind = operation(csv);
      const NodeId node = builder.node(csv.node_name(2));
      if (kind == last_kind && time == end) {
        builder.extend(node, csv.line());
      } else {
        builder.add(time, kind, {&node, 1}, csv.line());
      }
      last_kind = kind;
      end = time;
    }
    return builder.finish(at(Duration(0)), end);
  }

 private:
  static std::int64_t milliseconds(const CsvReader& csv) {
    const auto text = csv.fields()[0];
    const auto ns = is_number(text) ? parse_decimal_ns(text, kMillisecond) : std::nullopt;
    if (!ns) {
      csv.fail(fmt::format("'{}' is not a whole number of milliseconds from 0 to 100 years",
                           printable(text)));
    }
    return *ns / kMillisecond;
  }

  static TraceEventKind operation(const CsvReader& csv) {
    const auto word = csv.fields()[1];
    if (word == "add") return TraceEventKind::join;
    if (word == "remove") return TraceEventKind::lost;
    csv.fail(unknown_name("operation", printable(word), kOperations));
  }
};

const bool registered = trace_importers().add({
    .name = "event-csv",
    .summary = "ms,add|remove,node without a header (Bamboo, Oobleck, Parcae)",
    .make = [](ObjectReader&) -> std::unique_ptr<TraceImporter> {
      return std::make_unique<EventCsv>();
    },
});

}  // namespace
}  // namespace bethany
