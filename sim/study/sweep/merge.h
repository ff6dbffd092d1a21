#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace bethany {

/// Runs or shards are missing: they can still come. Exit code 6.
class PartialSweep : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Joins the shards of a sweep: `manifest.json`, `runs.jsonl` and `runs.csv` in `output` are byte
/// for byte what the whole sweep would have written there. Reads and writes line by line. Nothing
/// is written unless every shard is there once and complete. Throws PartialSweep naming what is
/// missing or not complete; InputError when a directory is of another sweep, a shard comes twice,
/// a line is not that of its run, or `output` holds files and not `force`; MachineError. Returns
/// the number of runs.
std::int64_t merge_shards(const std::vector<std::string>& directories, const std::string& output,
                          bool force);

}  // namespace bethany
