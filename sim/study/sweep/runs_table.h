#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/json.h"

namespace bethany {

/// What the runs of a sweep came to.
struct SweepSummary {
  /// The runs of one combination of values and one policy, whatever the replication.
  struct Row {
    JsonNode assignment;
    std::int64_t runs = 0;
    std::int64_t ok = 0;
    std::optional<double> goodput_tokens_per_s;  // mean over those that are ok
    std::string reason;                          // of the first that is not
  };
  std::int64_t runs = 0;
  std::int64_t ok = 0;
  std::int64_t infeasible = 0;
  std::int64_t invalid = 0;
  std::vector<Row> rows;  // the first of them
  std::int64_t all_rows = 0;
};

/// Reads `runs.jsonl` line by line. At most `most_rows` rows are kept. Throws InputError when a
/// line is not that of a run.
SweepSummary summarise_runs(const std::string& path, std::size_t most_rows);

/// Writes `runs.csv` from `runs.jsonl`, line by line: a column for each key of the assignment, then
/// `replication`, `status`, `reason`, and each number of the results under its dotted key, in the
/// order in which they first appear (an entry of a list: its place, from 1). Throws InputError when
/// a line is not that of a run, MachineError when it cannot write.
void write_runs_csv(const std::string& runs, const std::string& csv);

}  // namespace bethany
