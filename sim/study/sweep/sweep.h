#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/base/json.h"
#include "sim/study/input_cache.h"
#include "sim/study/setup.h"
#include "sim/study/sweep/manifest.h"
#include "sim/study/sweep/runs_file.h"
#include "sim/study/sweep/space.h"

namespace bethany {

class PlanMemory;

/// A scenario, what is varied in it, and how to do any one of the runs.
class Sweep {
 public:
  /// `tree` as read_scenario_tree() gives it. Without policies in `axes` the scenario's are run, or
  /// else lazarus and ds. Throws InputError when the axes are malformed, a policy is unknown, or
  /// none of a sample of the runs can be set up: then something is wrong with all of them.
  Sweep(JsonNode tree, SweepAxes axes);

  const SweepSpace& space() const { return *space_; }

  /// The line of runs.jsonl of one run, with its end. From any thread. A run whose values are
  /// refused is a line with the reason, as is one that its policy cannot do.
  std::string line(std::int64_t index) const;

  /// `manifest.json` as it stands in `directory`: what was asked, with the SHA-256 of every file it
  /// names, and a hash over all that decides results.
  JsonNode manifest(const std::string& directory, const Shard& shard) const;
  /// The member `hash` of the manifest.
  const std::string& hash() const { return hash_; }

 private:
  struct Outcome;
  Setup setup_of(const SweepRun& run) const;
  NamedPolicy policy_of(const SweepRun& run, const Setup& setup) const;
  std::vector<Policy> policies_bounded(const SweepRun& run, const Setup& setup) const;
  void check_run(const SweepRun& run) const;
  void check_runs() const;
  void find_files();
  Outcome outcome_of(const SweepRun& run) const;
  std::string in_words(const std::string& complaint) const;

  JsonNode tree_;
  std::unique_ptr<SweepSpace> space_;
  std::string directory_;  // of the scenario, for complaints
  std::vector<NamedFile> files_;
  std::string hash_;
  mutable InputCache cache_;
  mutable NewestValues<std::shared_ptr<PlanMemory>> memories_{64};
};

}  // namespace bethany
