#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bethany {

/// Which runs of a sweep a process does: those whose number is index modulo count.
struct Shard {
  std::int64_t index = 0;
  std::int64_t count = 1;

  bool whole() const { return count == 1; }
  /// How many of `runs` runs are in it.
  std::int64_t size(std::int64_t runs) const {
    return index < runs ? (runs - 1 - index) / count + 1 : 0;
  }
};

/// The 16 hex digits that name a run: a hash of the sweep's, the run's number, its assignment as it
/// stands in the line, and its replication.
std::string run_id(const std::string& sweep_hash, std::int64_t index, std::string_view assignment,
                   std::int64_t replication);

/// Whether a line of runs.jsonl is that of run `index` of the sweep.
bool is_line_of(std::string_view line, const std::string& sweep_hash, std::int64_t index);

/// `runs.jsonl` of a directory while a process writes it: at every instant whole lines in run order
/// and at most one torn line at the end.
class RunsFile {
 public:
  /// Opens it, made empty if missing, and locks it against other processes. Throws InputError when
  /// another process has it, MachineError when it cannot be made.
  explicit RunsFile(std::string path);
  ~RunsFile();
  RunsFile(const RunsFile&) = delete;
  RunsFile& operator=(const RunsFile&) = delete;

  bool empty() const;
  void clear();
  /// Cuts a torn line off and checks that the others are the first runs of the shard. Returns how
  /// many there are. Throws InputError naming the line that is not.
  std::int64_t keep_whole_lines(const std::string& sweep_hash, const Shard& shard,
                                std::int64_t runs);
  /// Writes whole lines at the end. Throws MachineError.
  void append(std::string_view lines);

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace bethany
