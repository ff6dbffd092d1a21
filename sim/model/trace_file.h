#pragma once

#include <string>
#include <string_view>

#include "sim/model/trace.h"

namespace bethany {

/// The version of the canonical trace format that is read and written.
constexpr std::int64_t kTraceVersion = 1;

/// Reads the canonical format, JSON Lines (traces/README.md). `place` names the input in
/// complaints. Everything is checked: versions, unknown, duplicate and missing keys, the order of
/// time, that joins and losses pair, that events lie in [start, end], that `nodes` of the header is
/// the number of names. Throws InputError with the line. Ensures: what write_trace wrote is read
/// back equal.
Trace read_trace(std::string_view bytes, const std::string& place);

/// Whether the bytes begin as the canonical format does: an object with a key "bethany_trace".
bool looks_like_trace(std::string_view head);

/// Writes the canonical format; what is at its default is left out.
std::string write_trace(const Trace& trace);

/// The bytes without a UTF-8 byte order mark, which spreadsheets put at the front.
std::string_view without_byte_order_mark(std::string_view bytes);

}  // namespace bethany
