#include "sim/study/sweep/lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sim/base/error.h"

namespace bethany {
namespace {

constexpr std::size_t kPiece = 1 << 16;

}  // namespace

bool LineSource::next(std::string_view& line) {
  while (true) {
    const std::size_t end = buffer_.find('\n', searched_);
    if (end != std::string::npos) {
      line = std::string_view(buffer_).substr(start_, end - start_);
      consumed_ += static_cast<std::int64_t>(end + 1 - start_);
      start_ = searched_ = end + 1;
      return true;
    }
    searched_ = buffer_.size();
    if (!refill()) return false;
  }
}

bool LineSource::refill() {
  buffer_.erase(0, start_);
  searched_ -= start_;
  start_ = 0;
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kPiece);
  const ssize_t got = file < 0 ? -1 : ::pread(file, buffer_.data() + before, kPiece, read_);
  const int error = errno;
  if (file >= 0) ::close(file);
  buffer_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  if (got < 0) throw InputError(fmt::format("{}: cannot read: {}", path_, std::strerror(error)));
  read_ += got;
  return got > 0;
}

}  // namespace bethany
