#include <fmt/format.h>

#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/quantities.h"
#include "sim/model/trace.h"
#include "sim/model/trace_text.h"
#include "traces/csv.h"
#include "traces/fleet_history.h"

namespace bethany {
namespace {

constexpr std::int64_t kDay = 86'400'000'000'000;  // ns

/// The number as it was written: the shortest text that reads back to the same double.
std::string digits_of(double value) {
  std::array<char, 400> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  return {text.data(), end};
}

/// A fault that began and has not ended, one or several of a node.
struct Open {
  SimTime from;
  std::string cause;
  int line = 0;
  int faults = 0;
};

struct Row {
  SimTime time;
  std::string node;
  bool starts = false;
  std::string cause;
  int line = 0;
};

/// Faults of a fleet, as InfiniteHBD published them: one JSON array of starts and ends, times in
/// days. Only nodes that ever failed are named, so the fleet's size is an option.
class FaultJson final : public TraceImporter {
 public:
  explicit FaultJson(ObjectReader& options) {
    if (options.raw("fleet") != nullptr) fleet_ = options.integer("fleet", 1, 10'000'000);
    if (options.raw("end") != nullptr) end_ = at(options.duration("end"));
  }

  bool recognises(std::string_view head) const override {
    const auto first = head.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && head[first] == '[' &&
           head.find("\"node_id\"") != std::string_view::npos &&
           head.find("\"event_type\"") != std::string_view::npos;
  }

  Trace import(std::string_view bytes, const std::string& place) const override {
    const JsonNode root = parse_json(bytes, place);
    if (root.kind != JsonNode::Kind::array) {
      throw InputError(fmt::format("{}: expected an array of events, found {}", root.place(),
                                   kind_in_words(root.kind)));
    }
    FleetHistory history(place);
    history.header().source = "imported as fault-json";
    std::map<std::string, Open, std::less<>> open;
    SimTime now = at(Duration(0));
    for (std::size_t i = 0; i < root.items.size(); ++i) {
      const Row row = read_row(root.items[i], i);
      if (row.time < now) {
        throw InputError(
            fmt::format("{}:{}: event_time goes back; sort the events by it", place, row.line));
      }
      now = row.time;
      const NodeId node = history.node(row.node, row.line);
      apply(row, node, open[row.node], place, history);
    }
    for (const auto& [name, fault] : open) {
      if (fault.faults > 0) {
        history.down(history.node(name), fault.from, kNever, fault.cause, fault.line);
      }
    }
    fill_up(history, place);
    return history.finish(at(Duration(0)), end_.value_or(now));
  }

 private:
  Row read_row(const JsonNode& item, std::size_t index) const {
    ObjectReader reader(item, fmt::format("/{}", index));
    Row row;
    row.line = item.line;
    row.node = reader.string("node_id");
    const double days = reader.real("event_time", 0, 36500);
    const auto ns = parse_decimal_ns(digits_of(days), kDay);
    if (!ns) reader.fail("event_time", "is not whole in nanoseconds");
    row.time = at(Duration(*ns));
    if (end_ && row.time > *end_) {
      reader.fail("event_time",
                  fmt::format("lies behind the end {}", to_text(end_->time_since_epoch())));
    }
    row.starts = reader.choice("event_type", {"fault_start", "fault_end"}) == "fault_start";
    auto fault = reader.object("fault_type", true);
    row.cause = fmt::format("{}: {}: {}", fault.string("Level"), fault.string("Class"),
                            fault.string("Desc"));
    fault.finish();
    reader.finish();
    return row;
  }

  /// A node is down from the start of its first fault to the end of the last that overlaps.
  static void apply(const Row& row, NodeId node, Open& fault, const std::string& place,
                    FleetHistory& history) {
    if (row.starts) {
      if (fault.faults++ == 0) {
        fault = {row.time, row.cause, row.line, 1};
      } else {
        ++history.header().rows_merged;
      }
      return;
    }
    if (fault.faults == 0) {
      throw InputError(fmt::format("{}:{}: a fault of node '{}' ends that never began", place,
                                   row.line, printable(row.node)));
    }
    if (--fault.faults == 0) history.down(node, fault.from, row.time, fault.cause, fault.line);
  }

  void fill_up(FleetHistory& history, const std::string& place) const {
    if (!fleet_) return;
    const auto fleet = static_cast<std::size_t>(*fleet_);
    if (fleet < history.node_count()) {
      throw InputError(fmt::format("{}: {} nodes failed, more than the fleet of {}", place,
                                   history.node_count(), fleet));
    }
    history.fill_up(fleet);
  }

  std::optional<std::int64_t> fleet_;
  std::optional<SimTime> end_;
};

const bool registered = trace_importers().add({
    .name = "fault-json",
    .summary = "starts and ends of faults in days, JSON (InfiniteHBD); options fleet, end",
    .make = [](ObjectReader& options) -> std::unique_ptr<TraceImporter> {
      return std::make_unique<FaultJson>(options);
    },
});

}  // namespace
}  // namespace bethany
