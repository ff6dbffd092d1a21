#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/model/trace_file.h"
#include "traces/import.h"

namespace bethany {

/// Reads the bytes with each importer (empty: by content); what one accepts is a valid trace.
inline void fuzz_importers(std::initializer_list<std::string_view> importers,
                           const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto importer : importers) {
    try {
      const JsonNode none;
      ObjectReader options(none, "");
      const auto trace = import_trace(text, "fuzz", importer, options);
      read_trace(write_trace(trace), "again");
    } catch (const InputError&) {
    }
  }
}

}  // namespace bethany
