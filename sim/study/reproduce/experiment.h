#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/run_summary.h"
#include "sim/base/registry.h"
#include "sim/study/input_cache.h"
#include "sim/study/reproduction.h"
#include "sim/study/setup.h"

namespace bethany {

/// One policy's run in one draw.
struct DrawnRun {
  RunSummary summary;
  std::vector<RunEvent> events;  // empty unless asked for
};

/// The runs of an experiment, [draw][policy].
struct DrawnRuns {
  std::vector<std::string> policies;
  std::vector<std::vector<DrawnRun>> draws;

  const DrawnRun& at(std::size_t draw, std::string_view policy) const;
};

/// A scenario that an experiment runs with other seeds: a text, and settings "KEY.KEY=VALUE" laid
/// over it.
struct DrawnScenario {
  std::string name;  // of its file
  const char* text = "";
  std::vector<std::string> settings;
  std::vector<std::string> policies;
  int draws = 0;  // 0: as many as the user asked for
  bool keep_events = false;
};

/// What experiments get, and where they leave their rows.
class Lab {
 public:
  Lab(const ReproduceOptions& options, Reproduction& into);

  const ReproduceOptions& options() const { return options_; }
  Reproduction& result() { return into_; }

  /// The path of a file below the folder of public traces; empty, with the file in missing_inputs,
  /// when it is not there.
  std::optional<std::string> public_file(const std::string& relative);
  /// `routing=…` for a scenario with that many experts in 12 layers: the log that the paper took,
  /// or the generator when the user says so; empty when it is missing.
  std::optional<std::string> published_loads(int experts);

  /// Runs seeds 1, 2, … of a scenario.
  DrawnRuns run(const DrawnScenario& scenario);
  /// The setup of one seed.
  Setup setup_of(const DrawnScenario& scenario, int seed);

 private:
  JsonNode tree_of(const DrawnScenario& scenario) const;
  void keep(const DrawnScenario& scenario, const Setup& setup) const;

  const ReproduceOptions& options_;
  Reproduction& into_;
  InputCache cache_;
};

/// Experiments of a paper that share a set-up. One `.cpp` each; its name orders the rows.
class Experiment {
 public:
  virtual ~Experiment() = default;
  virtual std::string paper() const = 0;
  virtual void run(Lab& lab) const = 0;
};

Registry<Experiment>& experiments();

/// value(a run of `policy`) / value(a run of `against`), draw by draw.
template <class Value>
std::vector<double> ratios(const DrawnRuns& runs, std::string_view policy, std::string_view against,
                           Value value) {
  std::vector<double> result;
  for (std::size_t draw = 0; draw < runs.draws.size(); ++draw) {
    result.push_back(value(runs.at(draw, policy)) / value(runs.at(draw, against)));
  }
  return result;
}

/// value(a run of `policy`), draw by draw.
template <class Value>
std::vector<double> values(const DrawnRuns& runs, std::string_view policy, Value value) {
  std::vector<double> result;
  for (std::size_t draw = 0; draw < runs.draws.size(); ++draw) {
    result.push_back(value(runs.at(draw, policy)));
  }
  return result;
}

double samples_of(const DrawnRun& run);
double steps_of(const DrawnRun& run);
/// Samples that were computed in [from, to), whether they were kept or not. Requires: events.
double samples_computed(const DrawnRun& run, Duration from, Duration to);
/// Share of the horizon that a run spent in these kinds of blocked time, by wall time. Requires:
/// events.
double blocked_share_of_time(const DrawnRun& run, const std::vector<Blocked>& kinds);

}  // namespace bethany
