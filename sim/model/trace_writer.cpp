#include <fmt/format.h>
#include <simdjson.h>

#include <iterator>

#include "sim/model/trace_file.h"

namespace bethany {
namespace {

void append_text(std::string& out, std::string_view text) {
  out += '"';
  // Names and causes are checked when a trace is built; a header's texts are anybody's.
  const bool utf8 = simdjson::validate_utf8(text.data(), text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += utf8 || static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
  }
  out += '"';
}

template <class Number>
void append_number(std::string& out, std::string_view key, Number value) {
  out += key;
  fmt::format_to(std::back_inserter(out), "{}", value);
}

std::int64_t ns(SimTime time) { return time.time_since_epoch().count(); }

}  // namespace

std::string write_trace(const Trace& trace) {
  std::string out;
  out.reserve(512 + 64 * trace.events.size() + 16 * trace.event_nodes.size());
  append_number(out, "{\"bethany_trace\":", kTraceVersion);
  const auto optional_text = [&](std::string_view key, const std::string& text) {
    if (text.empty()) return;
    out += key;
    append_text(out, text);
  };
  optional_text(",\"name\":", trace.name);
  optional_text(",\"source\":", trace.source);
  optional_text(",\"source_sha256\":", trace.source_sha256);
  optional_text(",\"node_type\":", trace.node_type);
  append_number(out, ",\"start_ns\":", ns(trace.start));
  append_number(out, ",\"end_ns\":", ns(trace.end));
  append_number(out, ",\"nodes\":", trace.node_names.size());
  if (trace.rows_dropped != 0) append_number(out, ",\"rows_dropped\":", trace.rows_dropped);
  if (trace.rows_merged != 0) append_number(out, ",\"rows_merged\":", trace.rows_merged);
  if (trace.rows_repaired != 0) append_number(out, ",\"rows_repaired\":", trace.rows_repaired);
  out += "}\n";
  for (const auto& event : trace.events) {
    append_number(out, "{\"t_ns\":", ns(event.time));
    out += ",\"event\":\"";
    out += name_of(event.kind);
    out += "\",\"nodes\":[";
    bool first = true;
    for (const NodeId node : trace.nodes_of(event)) {
      if (!first) out += ',';
      first = false;
      append_text(out, trace.node_names[node.index()]);
    }
    out += ']';
    optional_text(",\"cause\":", trace.causes[event.cause]);
    if (event.deadline != kNever) append_number(out, ",\"deadline_ns\":", ns(event.deadline));
    if (event.kind == TraceEventKind::slow) append_number(out, ",\"factor\":", event.factor);
    out += "}\n";
  }
  return out;
}

}  // namespace bethany
