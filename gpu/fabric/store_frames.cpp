#include "gpu/fabric/store_frames.h"

#include <charconv>
#include <cstdint>

#include "sim/base/check.h"

namespace bethany {
namespace {

void append_length(std::string& bytes, std::size_t length) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<char>((length >> shift) & 0xFF));
  }
}

}  // namespace

std::size_t decode_length(std::string_view bytes) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= std::size_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return length;
}

std::string encode_frame(const StoreFields& fields) {
  std::string body;
  for (const auto& field : fields) {
    append_length(body, field.size());
    body += field;
  }
  BETHANY_CHECK(body.size() <= kMostFrameBytes, "a frame of {} bytes", body.size());
  std::string frame;
  append_length(frame, body.size());
  return frame + body;
}

std::optional<StoreFields> decode_frame(std::string_view frame) {
  StoreFields fields;
  while (!frame.empty()) {
    if (frame.size() < kLengthBytes) return std::nullopt;
    const std::size_t length = decode_length(frame);
    frame.remove_prefix(kLengthBytes);
    if (length > frame.size()) return std::nullopt;
    fields.emplace_back(frame.substr(0, length));
    frame.remove_prefix(length);
  }
  return fields;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace bethany
