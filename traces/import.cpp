#include "traces/import.h"

#include <fmt/format.h>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/model/trace_file.h"
#include "sim/model/trace_text.h"

namespace bethany {
namespace {

constexpr std::size_t kHead = 4096;

/// The one importer that recognises the content.
const Registry<TraceImporter>::Entry& recognised(std::string_view bytes, const std::string& place) {
  const auto head = bytes.substr(0, kHead);
  const Registry<TraceImporter>::Entry* found = nullptr;
  std::vector<std::string> candidates;
  for (const auto& entry : trace_importers().entries()) {
    const JsonNode no_options;
    ObjectReader none(no_options, "");
    if (!entry.make(none)->recognises(head)) continue;
    candidates.push_back(entry.name);
    found = &entry;
  }
  if (candidates.size() > 1) {
    throw InputError(fmt::format("{}: {} recognise this file; --importer says which it is", place,
                                 list_in_words(candidates)));
  }
  if (found == nullptr) {
    throw InputError(fmt::format(
        "{}: the format is not recognised: neither a Bethany trace nor one of {}; --importer says "
        "which it is",
        place, list_in_words(trace_importers().names())));
  }
  return *found;
}

std::string base_name(const std::string& place) {
  const auto slash = place.find_last_of('/');
  auto name = slash == std::string::npos ? place : place.substr(slash + 1);
  return fault_of_trace_text(name).empty() ? name : printable(name);
}

}  // namespace

Trace import_trace(std::string_view bytes, const std::string& place, std::string_view importer,
                   ObjectReader& options) {
  Trace trace;
  if (importer.empty() && looks_like_trace(bytes.substr(0, kHead))) {
    trace = read_trace(bytes, place);
  } else {
    if (bytes.empty()) throw InputError(fmt::format("{}: the file is empty", place));
    const auto* entry =
        importer.empty() ? &recognised(bytes, place) : trace_importers().find(importer);
    if (entry == nullptr) {
      throw InputError(unknown_name("importer", printable(importer), trace_importers().names()));
    }
    trace = entry->make(options)->import(bytes, place);
  }
  if (trace.name.empty()) trace.name = base_name(place);
  if (trace.source_sha256.empty()) trace.source_sha256 = sha256(bytes);
  return trace;
}

}  // namespace bethany
