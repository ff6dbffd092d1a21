#include "sim/model/trace_file.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/model/trace_layout.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

const std::vector<std::string> kHeaderKeys = {
    "bethany_trace", "name",  "source",       "source_sha256", "node_type",    "start_ns",
    "end_ns",        "nodes", "rows_dropped", "rows_merged",   "rows_repaired"};
const std::vector<std::string> kEventKeys = {"t_ns",  "event",       "nodes",
                                             "cause", "deadline_ns", "factor"};
const std::vector<std::string> kEventKinds = {"join", "lost", "notice", "slow", "normal"};

class TraceReader {
 public:
  TraceReader(std::string_view bytes, const std::string& place)
      : bytes_(without_byte_order_mark(bytes)), place_(place), builder_(place) {}

  Trace read() {
    if (bytes_.empty()) throw InputError(fmt::format("{}: the file is empty", place_));
    refuse_other_encodings();
    next_line();
    read_header();
    reserve();
    while (next_line()) read_event();
    add_waiting();
    auto trace = builder_.finish(at(Duration(start_ns_)), at(Duration(end_ns_)));
    if (node_count_ && static_cast<std::size_t>(*node_count_) != trace.node_names.size()) {
      throw InputError(
          fmt::format("{}: the header says {} nodes, but the events name {}; is the file cut off?",
                      place_, *node_count_, trace.node_names.size()));
    }
    return trace;
  }

 private:
  [[noreturn]] void fail_at(int line, const std::string& message) const {
    throw InputError(fmt::format("{}:{}: {}", place_, line, message));
  }
  [[noreturn]] void fail(const std::string& message) const { fail_at(line_number_, message); }

  void refuse_other_encodings() {
    if (simdjson::validate_utf8(bytes_.data(), bytes_.size())) return;
    while (next_line()) {
      if (!simdjson::validate_utf8(line_.data(), line_.size())) break;
    }
    fail("not UTF-8 text; a Bethany trace is JSON Lines");
  }

  /// Makes room for as many events as a sample from the middle lets expect.
  void reserve() {
    const auto sample = bytes_.substr(bytes_.size() / 2, std::size_t{1} << 16);
    if (sample.empty()) return;
    const auto lines = static_cast<std::size_t>(std::count(sample.begin(), sample.end(), '\n'));
    const std::size_t expected = (lines + lines / 16 + 1) * (bytes_.size() / sample.size());
    builder_.header().events.reserve(expected);
    builder_.header().event_nodes.reserve(expected);
  }

  /// Goes to the next line; false at the end. Blank lines are allowed at the end only.
  bool next_line() {
    if (position_ == bytes_.size()) return false;
    const char* const first = bytes_.data() + position_;
    const auto left = bytes_.size() - position_;
    const auto* const stop = static_cast<const char*>(std::memchr(first, '\n', left));
    const auto size = stop != nullptr ? static_cast<std::size_t>(stop - first) : left;
    line_ = {first, size};
    position_ += stop != nullptr ? size + 1 : size;
    ++line_number_;
    if (!line_.empty() && line_.front() == '{') return true;
    if (line_.find_first_not_of(" \t\r") != std::string_view::npos) return true;
    if (bytes_.find_first_not_of(" \t\r\n", position_) != std::string_view::npos) {
      add_waiting();  // what is wrong further up is said first
      fail("an empty line");
    }
    position_ = bytes_.size();
    return false;
  }

  simdjson::dom::object parse_line() {
    // The parser may look at (not use) bytes behind the line; where there are none it gets a copy.
    const auto behind = bytes_.data() + bytes_.size() - (line_.data() + line_.size());
    const bool copy = behind < static_cast<std::ptrdiff_t>(simdjson::SIMDJSON_PADDING);
    simdjson::dom::element root;
    const auto error = parser_.parse(line_.data(), line_.size(), copy).get(root);
    if (error != simdjson::SUCCESS) {
      const bool last = position_ == bytes_.size() && bytes_.back() != '\n';
      if (last && line_number_ > 1) fail("not complete JSON; is the file cut off here?");
      fail(fmt::format("not JSON: {}", simdjson::error_message(error)));
    }
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) fail("expected a JSON object");
    return object;
  }

  /// Calls visit(key index, value) for every member; refuses unknown and duplicate keys. Returns
  /// the set of keys that were there, a bit each.
  template <class Visit>
  unsigned each_member(simdjson::dom::object object, const std::vector<std::string>& keys,
                       Visit visit) const {
    unsigned seen = 0;
    for (const auto& [key, value] : object) {
      const auto known = std::find(keys.begin(), keys.end(), key);
      if (known == keys.end()) fail(unknown_name("key", printable(key), keys));
      const auto index = static_cast<std::size_t>(known - keys.begin());
      if ((seen >> index & 1U) != 0) fail(fmt::format("duplicate key '{}'", key));
      seen |= 1U << index;
      visit(index, value);
    }
    return seen;
  }

  void require(unsigned seen, const std::vector<std::string>& keys,
               std::initializer_list<std::size_t> wanted) const {
    for (const auto index : wanted) {
      if ((seen >> index & 1U) == 0) fail(fmt::format("missing key '{}'", keys[index]));
    }
  }

  std::int64_t integer(std::string_view key, simdjson::dom::element value, std::int64_t low,
                       std::int64_t high) const {
    const auto type = value.type();
    if (type != simdjson::dom::element_type::INT64 && type != simdjson::dom::element_type::UINT64) {
      fail(fmt::format("{}: expected a whole number, found {}", key,
                       printable(simdjson::minify(value))));
    }
    std::int64_t result = 0;
    if (value.get(result) != simdjson::SUCCESS || result < low || result > high) {
      fail(fmt::format("{}: {} is outside {}..{}", key, simdjson::minify(value), low, high));
    }
    return result;
  }

  std::int64_t time(std::string_view key, simdjson::dom::element value) const {
    return integer(key, value, 0, kLongest.count());
  }

  std::string_view text(std::string_view key, simdjson::dom::element value) const {
    std::string_view result;
    if (value.get(result) != simdjson::SUCCESS) {
      fail(fmt::format("{}: expected a text, found {}", key, printable(simdjson::minify(value))));
    }
    return result;
  }

  void read_header() {
    if (line_.find("\"bethany_trace\"") == std::string_view::npos) {
      fail("not a Bethany trace: the first line has no key 'bethany_trace'");
    }
    auto& header = builder_.header();
    const auto object = parse_line();
    std::int64_t version = 0;
    // The version first: another one may have other keys.
    simdjson::dom::element value;
    if (object["bethany_trace"].get(value) == simdjson::SUCCESS) {
      version = integer("bethany_trace", value, 0, INT64_MAX);
      if (version != kTraceVersion) {
        fail(fmt::format("trace version {} is not known; this program reads version {}", version,
                         kTraceVersion));
      }
    }
    const unsigned seen =
        each_member(object, kHeaderKeys, [&](std::size_t index, simdjson::dom::element member) {
          const auto& key = kHeaderKeys[index];
          switch (index) {
            case 1:
              header.name = text(key, member);
              break;
            case 2:
              header.source = text(key, member);
              break;
            case 3:
              header.source_sha256 = text(key, member);
              break;
            case 4:
              header.node_type = text(key, member);
              break;
            case 5:
              start_ns_ = time(key, member);
              break;
            case 6:
              end_ns_ = time(key, member);
              break;
            case 7:
              node_count_ = integer(key, member, 0, INT32_MAX);
              break;
            case 8:
              header.rows_dropped = integer(key, member, 0, INT64_MAX);
              break;
            case 9:
              header.rows_merged = integer(key, member, 0, INT64_MAX);
              break;
            case 10:
              header.rows_repaired = integer(key, member, 0, INT64_MAX);
              break;
            default:
              break;
          }
        });
    require(seen, kHeaderKeys, {0, 5, 6});
    if (end_ns_ < start_ns_)
      fail(fmt::format("end_ns {} is before start_ns {}", end_ns_, start_ns_));
  }

  /// Lines of the usual layout wait until there are some: looked up together, the names of several
  /// lines miss the cache at once instead of one after the other.
  void read_event() {
    EventLine event;
    event.line = line_number_;
    const std::size_t before = names_.size();
    if (LayoutScanner(line_, bytes_).read(event, names_)) {
      event.name_count = names_.size() - before;
      waiting_.push_back(event);
      if (names_.size() >= kWaitingNames) add_waiting();
      return;
    }
    names_.resize(before);
    add_waiting();
    event = EventLine();
    event.line = line_number_;
    parse_event(event);
    event.name_count = names_.size();
    waiting_.push_back(event);
    add_waiting();
  }

  void add_waiting() {
    builder_.nodes(names_, nodes_);
    std::size_t first = 0;
    for (const auto& event : waiting_) {
      if (event.t_ns < start_ns_ || event.t_ns > end_ns_) {
        fail_at(event.line, fmt::format("t_ns {} lies outside the trace, {}..{}", event.t_ns,
                                        start_ns_, end_ns_));
      }
      builder_.add(at(Duration(event.t_ns)), event.kind, {nodes_.data() + first, event.name_count},
                   event.line, event.cause, at(Duration(event.deadline_ns)), event.factor);
      first += event.name_count;
    }
    names_.clear();
    waiting_.clear();
  }

  void parse_event(EventLine& event) {
    const auto object = parse_line();
    if (object["bethany_trace"].error() == simdjson::SUCCESS) {
      fail("a second header; were two traces joined into one file?");
    }
    const unsigned seen =
        each_member(object, kEventKeys, [&](std::size_t index, simdjson::dom::element value) {
          const auto& key = kEventKeys[index];
          switch (index) {
            case 0:
              event.t_ns = time(key, value);
              break;
            case 1:
              event.kind = kind(text(key, value));
              break;
            case 2:
              read_names(value);
              break;
            case 3:
              event.cause = text(key, value);
              break;
            case 4:
              event.deadline_ns = time(key, value);
              break;
            case 5:
              if (value.get(event.factor) != simdjson::SUCCESS) {
                fail(fmt::format("factor: expected a number, found {}",
                                 printable(simdjson::minify(value))));
              }
              break;
            default:
              break;
          }
        });
    require(seen, kEventKeys, {0, 1, 2});
    if (event.kind == TraceEventKind::slow) require(seen, kEventKeys, {5});
    if (event.kind != TraceEventKind::slow && (seen >> 5 & 1U) != 0) {
      fail(fmt::format("'{}' has a factor; only slow has one", name_of(event.kind)));
    }
  }

  TraceEventKind kind(std::string_view word) const {
    const auto known = std::find(kEventKinds.begin(), kEventKinds.end(), word);
    if (known == kEventKinds.end()) fail(unknown_name("event", printable(word), kEventKinds));
    return static_cast<TraceEventKind>(known - kEventKinds.begin());
  }

  void read_names(simdjson::dom::element value) {
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) {
      fail(fmt::format("nodes: expected an array of names, found {}",
                       printable(simdjson::minify(value))));
    }
    for (const auto item : array) names_.push_back(text("nodes", item));
  }

  std::string_view bytes_;
  const std::string& place_;
  TraceBuilder builder_;
  simdjson::dom::parser parser_;
  std::size_t position_ = 0;
  std::string_view line_;
  int line_number_ = 0;
  std::int64_t start_ns_ = 0;
  std::int64_t end_ns_ = 0;
  std::optional<std::int64_t> node_count_;
  // Events that were read and not yet added, with the names of all of them.
  static constexpr std::size_t kWaitingNames = 64;
  std::vector<EventLine> waiting_;
  std::vector<std::string_view> names_;
  std::vector<NodeId> nodes_;
};

}  // namespace

std::string_view without_byte_order_mark(std::string_view bytes) {
  if (bytes.substr(0, 3) == "\xef\xbb\xbf") bytes.remove_prefix(3);
  return bytes;
}

bool looks_like_trace(std::string_view head) {
  head = without_byte_order_mark(head);
  head = head.substr(0, head.find('\n'));
  return head.substr(0, 1) == "{" && head.find("\"bethany_trace\"") != std::string_view::npos;
}

Trace read_trace(std::string_view bytes, const std::string& place) {
  return TraceReader(bytes, place).read();
}

}  // namespace bethany
