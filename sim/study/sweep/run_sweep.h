#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/study/sweep/sweep.h"

namespace bethany {

/// How a sweep is run.
struct SweepOrder {
  std::string directory;
  Shard shard;
  int threads = 1;
  bool force = false;          // begin again, whatever the directory holds
  std::function<bool()> stop;  // asked before each run; may be empty
  std::function<void(std::int64_t done, std::int64_t of)> progress;  // may be empty
};

/// How far a sweep has come.
struct SweepProgress {
  std::int64_t runs = 0;    // of the shard
  std::int64_t before = 0;  // that were there already
  std::int64_t done = 0;    // that are there now

  bool complete() const { return done == runs; }
};

/// Does the runs of the shard that are not in the directory yet, and writes there:
/// `manifest.json`, `runs.jsonl`, a line appended as soon as all before it are there, and, once it
/// is complete, `runs.csv`. Killed at any instant, the same call goes on; the files end up byte for
/// byte as if it had not been. They do not depend on `threads`. Throws InputError when the
/// directory holds another sweep or shard, or another process is at work there; MachineError when
/// it cannot write.
SweepProgress run_sweep(const Sweep& sweep, const SweepOrder& order);

}  // namespace bethany
