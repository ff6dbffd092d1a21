#pragma once

#include <string>
#include <string_view>

namespace bethany {

/// The text as valid UTF-8 that shows what it is: bytes that are no UTF-8, control characters and
/// marks that turn the direction of text become U+FFFD; line ends, tabs and the line and paragraph
/// separators become spaces.
std::string clean_text(std::string_view text);

/// clean_text cut to so many characters, the last of them "…" when something was left out.
std::string short_text(std::string_view text, std::size_t characters);

/// Characters of valid UTF-8.
std::size_t length_of(std::string_view text);

/// clean_text with & < > " ' as references: for the content of elements and for quoted attributes.
std::string html_text(std::string_view text);

/// JSON for a <script> of HTML: < > & U+2028 U+2029 as \u escapes, so that nothing ends the
/// element.
std::string script_json(std::string_view json);

}  // namespace bethany
