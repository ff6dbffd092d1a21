#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bethany {

/// The whole lines of a file that may be large, read in pieces. It holds no file open, so many of
/// them can be read side by side.
class LineSource {
 public:
  explicit LineSource(std::string path) : path_(std::move(path)) {}
  /// The next line without its end, valid until the next call; false when there is no further whole
  /// line. Throws InputError when the file cannot be read.
  bool next(std::string_view& line);
  /// Bytes of the lines handed out, with their ends.
  std::int64_t consumed() const { return consumed_; }
  /// Bytes after the last whole line. Requires: next() was false.
  std::int64_t torn() const { return static_cast<std::int64_t>(buffer_.size() - start_); }
  const std::string& path() const { return path_; }

 private:
  bool refill();

  std::string path_;
  std::string buffer_;
  std::size_t start_ = 0;     // of what was not handed out
  std::size_t searched_ = 0;  // no line end before here
  std::int64_t read_ = 0;     // bytes of the file in or before the buffer
  std::int64_t consumed_ = 0;
};

}  // namespace bethany
