// The importers, by content: what one accepts is a valid trace.
#include <cstdint>
#include <string_view>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/trace_file.h"
#include "traces/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto* importer : {"", "event-csv", "log-csv"}) {
    try {
      const bethany::JsonNode none;
      bethany::ObjectReader options(none, "");
      const auto trace = bethany::import_trace(text, "fuzz", importer, options);
      bethany::read_trace(bethany::write_trace(trace), "again");
    } catch (const bethany::InputError&) {
    }
  }
  return 0;
}
