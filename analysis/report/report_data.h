#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/base/json.h"
#include "sim/model/run_record.h"
#include "sim/model/run_record_file.h"

namespace bethany {

struct RunSeries;

/// A run whose record was kept: those of the first replication.
struct KeptRun {
  std::string policy;
  bool is_bound = false;
  std::string events_file;                  // its events.jsonl
  std::shared_ptr<const RunSeries> series;  // what figures draw of it (run_series.h)
};

/// What a report is made from: a directory that `replay -o`, `compare -o`, `sweep -o` or
/// `validate -o` wrote; a validation.json may lie beside the results of the others.
struct ReportData {
  JsonNode scenario;  // effective; of a sweep the one it varies
  JsonNode
      comparison;  // the object of `compare`; a replay is a comparison of one. Null for a sweep
  std::vector<KeptRun> kept;  // in the order of the policies
  JsonNode manifest;          // of a sweep, else null
  /// Results after the first one have their numbers at the top only, to save memory.
  std::vector<JsonNode> sweep_runs;
  JsonNode validation;  // predictions beside measurements, or null

  /// Nothing was simulated for this page: there is a validation alone.
  bool only_validation() const {
    return comparison.kind == JsonNode::Kind::null && manifest.kind == JsonNode::Kind::null;
  }
};

/// Reads the directory, every record in it once. Throws InputError naming file and line when one is
/// missing, has an unknown schema, or contradicts another.
ReportData read_report_data(const std::string& directory);

/// Where `compare -o` keeps the run of the policy at that place of the order: what is no letter,
/// digit, - + . _ becomes _.
std::string kept_directory(std::size_t place, const std::string& policy);

/// Whether a policy is an upper bound by its name or preset ("ideal"), where no result says so.
bool looks_like_bound(const JsonNode& scenario, const std::string& policy);

/// Feeds the record of a kept run to a sink. Throws InputError as read_record() does.
RecordHeader read_kept(const KeptRun& run, RunSink& sink);

}  // namespace bethany
