#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bethany {

/// Requests and answers of the store: a list of texts, each with its length before it, and the
/// length of all that before the list. Lengths: 32 bits, lowest byte first.
using StoreFields = std::vector<std::string>;

/// Longest frame without its own length; what claims more ends the connection.
constexpr std::size_t kMostFrameBytes = 1 << 20;
constexpr std::size_t kLengthBytes = 4;

std::size_t decode_length(std::string_view bytes);  // requires kLengthBytes of them
std::string encode_frame(const StoreFields& fields);
/// The fields of a frame without its length; nothing when their lengths do not fit it.
std::optional<StoreFields> decode_frame(std::string_view frame);

/// A whole number that is all of the text, else nothing.
std::optional<std::int64_t> whole_number(std::string_view text);

}  // namespace bethany
