#include "sim/study/sweep/runs_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/study/sweep/lines.h"

namespace bethany {
namespace {

constexpr std::string_view kBeforeId = R"({"run_id":")";
constexpr std::string_view kBeforeAssignment = R"(","assignment":)";
constexpr std::string_view kBeforeReplication = R"(},"replication":)";
constexpr std::size_t kIdLength = 16;

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw MachineError(fmt::format("{}: cannot {}: {}", path, what, std::strerror(errno)));
}

}  // namespace

std::string run_id(const std::string& sweep_hash, std::int64_t index, std::string_view assignment,
                   std::int64_t replication) {
  Digest digest;
  digest.add(sweep_hash);
  digest.add(index);
  digest.add(assignment);
  digest.add(replication);
  return digest.hex();
}

bool is_line_of(std::string_view line, const std::string& sweep_hash, std::int64_t index) {
  if (!line.starts_with(kBeforeId) || !line.ends_with('}')) return false;
  line.remove_prefix(kBeforeId.size());
  const auto id = line.substr(0, kIdLength);
  line.remove_prefix(id.size());
  if (!line.starts_with(kBeforeAssignment)) return false;
  line.remove_prefix(kBeforeAssignment.size());
  const std::size_t end = line.find(kBeforeReplication);
  if (end == std::string_view::npos) return false;
  const auto assignment = line.substr(0, end + 1);
  line.remove_prefix(end + kBeforeReplication.size());
  std::int64_t replication = 0;
  const auto number = std::from_chars(line.data(), line.data() + line.size(), replication);
  return number.ec == std::errc{} && id == run_id(sweep_hash, index, assignment, replication);
}

RunsFile::RunsFile(std::string path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) fail(path_, "write");
  // A file system without locks (ENOLCK, ENOSYS) leaves that care to the user.
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(file_);
    throw InputError(fmt::format("{}: another process is writing this sweep", path_));
  }
}

RunsFile::~RunsFile() { ::close(file_); }

bool RunsFile::empty() const {
  struct stat status {};
  if (::fstat(file_, &status) != 0) fail(path_, "read");
  return status.st_size == 0;
}

void RunsFile::clear() {
  if (::ftruncate(file_, 0) != 0) fail(path_, "write");
}

std::int64_t RunsFile::keep_whole_lines(const std::string& sweep_hash, const Shard& shard,
                                        std::int64_t runs) {
  const std::int64_t most = shard.size(runs);
  LineSource lines(path_);
  std::string_view line;
  std::int64_t count = 0;
  while (lines.next(line)) {
    const std::int64_t index = shard.index + count * shard.count;
    if (count == most || !is_line_of(line, sweep_hash, index)) {
      throw InputError(fmt::format("{}:{}: {}", path_, count + 1,
                                   count == most ? "the sweep has no further run"
                                                 : fmt::format("not run {} of this sweep", index)));
    }
    ++count;
  }
  if (lines.torn() > 0 && ::ftruncate(file_, lines.consumed()) != 0) fail(path_, "write");
  return count;
}

void RunsFile::append(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t written = ::write(file_, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(path_, "write");
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace bethany
