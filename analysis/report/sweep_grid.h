#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/report/report_data.h"

namespace bethany {

/// A key of a sweep that takes several values.
struct SweepAxis {
  std::string key;
  std::vector<JsonNode> values;        // different ones, in order of appearance
  std::vector<std::string> followers;  // keys whose value this one decides (zipped axes)

  bool is_number() const;  // all values are numbers
};

/// The goodput of one policy at one point of a sweep.
struct SweepCell {
  std::map<std::int64_t, double> goodput;  // tokens/s by replication, of runs that are feasible
  std::int64_t without_run = 0;            // replications

  double mean() const;  // Requires: complete()
  /// Every replication has a run, so that means may be compared.
  bool complete() const { return without_run == 0 && !goodput.empty(); }
};

/// A sweep by the values of its axes.
struct SweepGrid {
  std::vector<SweepAxis> axes;  // without the policy
  /// By the text of the values of the axes, then by policy.
  std::map<std::vector<std::string>, std::map<std::string, SweepCell>> cells;
};
SweepGrid sweep_grid(const ReportData& data);

/// A value of an assignment for people: the text itself, or JSON.
std::string value_text(const JsonNode& value);

/// Who is best at a point.
struct Winner {
  std::string policy;
  std::string next;             // or ""
  double goodput = 0;           // mean
  std::optional<double> ratio;  // to the next one's
  bool clear = true;            // the difference to the next is more than noise
  std::int64_t replications = 0;
};

/// The policy with the highest mean goodput of those that have a run in every replication; empty
/// when none has. Not clear: the means differ by less than 0.5 %, or the 95 % interval of the mean
/// paired difference (Student t) reaches 0.
std::optional<Winner> winner_of(const std::map<std::string, SweepCell>& policies);

}  // namespace bethany
