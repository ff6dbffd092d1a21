#pragma once

#include <string>
#include <vector>

#include "sim/base/json.h"
#include "sim/model/run_record.h"

namespace bethany {

/// A run whose record was kept: those of replication 0.
struct KeptRun {
  std::string policy;
  bool is_bound = false;
  std::string events_file;  // its events.jsonl
};

/// What a report is made from: a directory that `replay -o`, `compare -o` or `sweep -o` wrote.
struct ReportData {
  JsonNode scenario;  // effective; of a sweep the one it varies
  JsonNode
      comparison;  // the object of `compare`; a replay is a comparison of one. Null for a sweep
  std::vector<KeptRun> kept;  // in the order of the policies
  JsonNode manifest;          // of a sweep, else null
  std::vector<JsonNode> sweep_runs;
};

/// Reads the directory. Throws InputError naming the file that is missing or not of that kind.
ReportData read_report_data(const std::string& directory);

/// Feeds the record of a kept run to a sink. Throws InputError as read_record() does.
void read_kept(const KeptRun& run, RunSink& sink);

}  // namespace bethany
