#pragma once

#include <fmt/format.h>

#include <string>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "traces/import.h"

namespace bethany::test {

inline Trace import(const std::string& bytes, const std::string& importer = "",
                    const std::string& options = "{}") {
  const auto node = parse_json(options, "options");
  ObjectReader reader(node, "/trace");
  auto trace = import_trace(bytes, "dir/log.csv", importer, reader);
  reader.finish();
  return trace;
}

/// What importing complains of; empty when it does not.
inline std::string complaint(const std::string& bytes, const std::string& importer = "",
                             const std::string& options = "{}") {
  try {
    import(bytes, importer, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// "0 join a b; 60 lost a": times in seconds.
inline std::string events_in_words(const Trace& trace) {
  std::string text;
  for (const auto& event : trace.events) {
    if (!text.empty()) text += "; ";
    text += fmt::format("{} {}", to_seconds(event.time), name_of(event.kind));
    for (const NodeId node : trace.nodes_of(event)) text += " " + trace.node_names[node.index()];
  }
  return text;
}

}  // namespace bethany::test
