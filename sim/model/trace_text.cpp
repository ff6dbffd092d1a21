#include "sim/model/trace_text.h"

#include <simdjson.h>

#include <algorithm>

namespace bethany {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::size_t kShown = 80;
  const bool utf8 = is_utf8(text);
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown && utf8) {
    // A character that the cut went through is left out.
    while (!shown.empty() && !is_utf8(shown)) shown.pop_back();
  }
  for (char& c : shown) {
    if (is_control(c) || (!utf8 && static_cast<unsigned char>(c) >= 0x80)) c = '?';
  }
  return text.size() > kShown ? shown + "..." : shown;
}

std::string_view fault_of_trace_text(std::string_view text) {
  if (text.size() > kLongestTraceText) return "is longer than 255 bytes";
  if (std::any_of(text.begin(), text.end(), is_control)) return "has a control character";
  if (!is_utf8(text)) return "is not UTF-8 text";
  return {};
}

}  // namespace bethany
