#pragma once

#include <string>
#include <string_view>

#include "sim/base/object_reader.h"
#include "sim/model/trace.h"

namespace bethany {

/// Reads a trace in the canonical format or in one that an importer knows.
///
/// `place` is the file's name: complaints and the trace's name come from it. `importer` names one;
/// when it is empty the format is recognised by content: the canonical one by its header, any other
/// when exactly one importer recognises it. The importer reads its own keys of `options`; the
/// caller calls `finish()` on it. Ensures: source_sha256 is that of the bytes, unless a canonical
/// header says what it was imported from. Throws InputError when the name is unknown, no importer
/// or several recognise the content, or the content is bad.
Trace import_trace(std::string_view bytes, const std::string& place, std::string_view importer,
                   ObjectReader& options);

}  // namespace bethany
