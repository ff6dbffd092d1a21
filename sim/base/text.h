#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// The entry of `names` with the smallest edit distance to `name`, if it is near enough to be what
/// was meant (at most a third of its length, but at least 2). Ties: the first.
std::optional<std::string> nearest_name(std::string_view name,
                                        const std::vector<std::string>& names);

/// "unknown KIND 'x'; did you mean 'y'?" or, without a near name, the list of known ones.
std::string unknown_name(std::string_view kind, std::string_view name,
                         const std::vector<std::string>& names);

/// The text broken at spaces into lines of at most `width` characters; a longer word is a line of
/// its own. At least one line.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

/// "a, b and c".
std::string list_in_words(const std::vector<std::string>& names);

/// The text as one word of a POSIX shell's command line: as it is when that is safe, else quoted.
std::string shell_word(std::string_view text);

}  // namespace bethany
