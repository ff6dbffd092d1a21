#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpu/validate/cases.h"
#include "gpu/validate/claims.h"
#include "gpu/validate/errors.h"
#include "gpu/validate/observation.h"
#include "gpu/validate/ranking.h"
#include "sim/cost/cost_model.h"

namespace bethany {

/// What was known before the first measurement.
struct ValidationContext {
  std::string backend;
  Mode mode = Mode::synthetic;
  std::uint64_t seed = 1;
  bool quick = false;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<Case> cases;
  int passes = 2;
  ProfileStamp profile;
};

/// What the pilot runs fixed.
struct Pilot {
  std::int64_t steps_seen = 0;
  double variation = 0;             // of measured / predicted of a policy's steps, the largest
  std::int64_t samples_wanted = 0;  // sample_size() of it
  std::int64_t steps = 0;           // of each case, so that it is reached
};

/// Errors of one kind of thing.
struct ErrorRow {
  std::string name;
  bool in_domain = true;
  double share = 0;  // of all that was measured of its table
  ErrorSummary error;
  /// Of terms and steps: the median difference of the same thing in the two passes. The best of all
  /// predictions would miss by 1/√2 of it in the median (normal errors).
  std::optional<double> noise = {};
};

/// What a phase of the steps took.
struct PhaseRow {
  std::string name;
  std::string term;
  double seconds = 0;  // of a step, mean
  /// Of those the host of the slowest rank waited for its device; empty where nothing is waited
  /// for.
  std::optional<double> waited = {};

  /// The host spends nearly all of it on starting work, so that a faster device would not help.
  bool launch_bound() const;
};

/// All runs of one policy; seconds. Low and high: sums of the intervals where every part has one.
struct PolicyRow {
  std::string policy;
  std::int64_t runs = 0;
  double predicted = 0;
  double measured = 0;
  std::optional<Interval> interval;
};

struct Coverage {
  std::int64_t inside = 0;
  std::int64_t points = 0;
};

struct FailedRun {
  std::string name;
  std::string reason;
};

/// Predicted beside measured. Every error is a share of what was measured.
struct Validation {
  ValidationContext context;
  Pilot pilot;
  std::int64_t planned = 0;  // runs: cases × passes
  std::int64_t attempted = 0;
  std::vector<FailedRun> failed;
  bool interrupted = false;

  std::vector<ErrorRow> terms;       // of steps
  std::vector<PhaseRow> phases;      // of steps
  std::vector<ErrorRow> steps;       // in domain, outside
  std::vector<ErrorRow> stages;      // of recoveries, joins, rebalances; checkpoint writes
  std::vector<ErrorRow> recoveries;  // whole ones: from the loss to the next step
  std::vector<ErrorRow> runs;        // whole runs, nothing left out
  std::optional<ErrorSummary> memory;
  std::vector<PolicyRow> policies;

  std::optional<double> step_noise;  // median difference of the passes, of a step
  /// Of a run's seconds for each sample: the median, and the 90 % quantile. The latter is the floor
  /// that pairs of policies must exceed: of policies that are equal, two passes' means differ by
  /// twice the median in 6 % of all pairs, but by twice the 90 % quantile in 3 of a million (normal
  /// errors), and every pair has to be right.
  std::optional<double> score_noise_median;
  std::optional<double> noise_floor;
  Ranking ranking;
  Sensitivity sensitivity;
  std::optional<double> skill_mean;      // against one step time for all policies of a setting
  std::optional<double> skill_roofline;  // against peaks alone
  Coverage coverage;
  std::int64_t digests_compared = 0;
  std::int64_t digests_different = 0;
  std::int64_t out_of_domain = 0;  // observations

  std::vector<BoundResult> bounds;

  /// Every bound holds or could not be shown, steps were measured, and what was performed is what
  /// was decided.
  bool passed() const;
  std::string verdict() const;  // one line
};

/// What the pilot says of sample sizes. `least` and `most` bound the steps of a case. Requires:
/// runs with steps.
Pilot evaluate_pilot(std::span<const CaseRun> pilot, std::int64_t least, std::int64_t most);

/// Gives every observation in domain the interval of its kind from the errors of the pilot, where
/// the pilot has enough of the kind.
void add_intervals(std::span<const CaseRun> pilot, std::span<CaseRun> runs);

/// Everything the report says. Runs that failed are counted and named; no point is left out.
Validation evaluate(ValidationContext context, Pilot pilot, std::span<const CaseRun> runs,
                    bool interrupted);

}  // namespace bethany
