#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/run_summary.h"
#include "sim/base/statistics.h"

namespace bethany {

/// What may be said of a policy against another. `single_trace`: nothing beyond that trace.
enum class Verdict { better, worse, no_clear_winner, single_trace };
std::string_view name_of(Verdict verdict);

/// The goodput of a policy by that of the baseline.
struct Comparison {
  std::string policy;
  std::string baseline;
  std::optional<double> goodput_ratio;  // empty when one of them has no run, or the baseline's is 0
  std::optional<Interval> interval;     // of the ratio; empty with one trace
  std::int64_t replications = 1;
  std::string method = "single trace";  // how the interval was made
  std::optional<Verdict> verdict;       // empty without a ratio
  // With replications only.
  std::optional<Interval> bootstrap;              // of the ratio, by the bootstrap
  std::optional<double> difference_tokens_per_s;  // mean of goodput minus the baseline's
  std::optional<Interval> difference_interval;    // of it, paired t
  std::int64_t wins = 0;                          // replications with more goodput
  std::optional<double> p10_ratio;                // of the adverse tenths
};

/// What an interval of a ratio says: better above 1, worse below, otherwise no clear winner.
Verdict verdict_of(const Interval& ratio);

/// Every other policy against `baseline`; by default against the first run that is feasible.
/// Requires: runs. Throws InputError when no run is called `baseline`.
std::vector<Comparison> compare_on_one_trace(std::span<const RunSummary> runs,
                                             std::string_view baseline = "");

/// Which policy commits most, against the baseline (or, when it is the baseline, against the next
/// best), and where the difference comes from: the shares of the ledger that differ most, or the
/// speed of steps. `comparisons` are those of `runs`.
std::string verdict_sentence(std::span<const RunSummary> runs,
                             std::span<const Comparison> comparisons);

/// Why `leader` has more goodput than `other`: "time blocked in restarts and work rolled back".
/// Each cause counts by what it adds to ln(ratio) = ln(productive shares) + ln(tokens by productive
/// node time). Empty when nothing does, or one of them has none.
std::string difference_in_words(const RunSummary& leader, const RunSummary& other);

}  // namespace bethany
