#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/answers.h"
#include "analysis/comparison.h"
#include "analysis/run_summary.h"
#include "sim/base/statistics.h"

namespace bethany {

/// Runs of the same policies on common draws of the outside world: within a replication every
/// policy sees the same trace and the same routing load, so that differences are paired.
struct Replications {
  std::vector<std::vector<RunResult>> runs;  // by replication, then by policy, in one order
  std::string drawn;  // what differs between them, in words: "draws of the generator spot"
  std::string scope;  // what intervals over them do not cover, a sentence; or empty

  std::size_t count() const { return runs.size(); }
};

/// A number over the replications. With one of them there is a mean and nothing else.
struct Spread {
  double mean = 0;
  std::optional<Interval> interval;  // of the mean, Student t, 95 %
  std::optional<double> p10;
  std::optional<double> p50;
  std::optional<double> p90;
};

/// Requires: not empty.
Spread spread_of(std::vector<double> values);

/// A metric of the policy at `place` over the replications; empty when it is undefined in one of
/// them. Requires: the metric is registered.
std::optional<Spread> metric_spread(const Replications& replications, std::size_t place,
                                    std::string_view metric);

/// One run for all of a policy's: node time, counts and horizons are added up, so that shares and
/// rates are those of all of them together; the predicted recovery is the mean over disruptions. A
/// policy without a run in one of the replications has none here, and the reason names it.
/// Requires: runs.
RunSummary pooled(std::span<const RunSummary> runs);
/// The same for every policy, in their order.
std::vector<RunSummary> pooled_runs(const Replications& replications);

/// Every other policy against `baseline` (default: the first that is feasible) by the ratio of mean
/// goodputs, with its paired intervals. With one replication this is compare_on_one_trace().
/// Requires: a replication with runs. Throws InputError when no policy is called `baseline`.
std::vector<Comparison> compare_on_replications(const Replications& replications,
                                                std::string_view baseline = "");

/// The stopping rule `--until-ci`: whether the interval of every policy's ratio, bounds aside, is
/// at most `share` of the ratio wide to either side. Policies without a ratio have nothing to wait
/// for.
bool narrow_enough(const Replications& replications, std::span<const Comparison> comparisons,
                   double share);

/// Feasible policies, bounds aside, best first: by mean goodput, and by its adverse tenth (P10, the
/// goodput that nine of ten replications exceed). Equal ones keep their order.
struct Ranking {
  std::vector<std::string> by_mean;
  std::vector<std::string> by_p10;  // empty with one replication
  /// The first by mean against the second; empty with fewer than two.
  std::optional<Comparison> first_to_second;
};
Ranking ranking_of(const Replications& replications);

}  // namespace bethany
