#pragma once

#include <string>
#include <string_view>

namespace bethany {

/// The longest node name or cause of a trace, in bytes.
constexpr std::size_t kLongestTraceText = 255;

/// The text as it can stand in a one-line message: at most 80 bytes, whatever cannot be printed
/// as '?'.
std::string printable(std::string_view text);

/// What keeps a text from being a node name or a cause ("has a control character", …); empty when
/// nothing does. Texts are UTF-8, without control characters, at most kLongestTraceText bytes.
std::string_view fault_of_trace_text(std::string_view text);

}  // namespace bethany
