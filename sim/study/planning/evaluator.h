#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "analysis/replications.h"
#include "sim/base/json.h"
#include "sim/study/input_cache.h"

namespace bethany {

/// A scenario with settings laid over it, and the policy that is run in it.
struct Variant {
  std::string policy;             // as typed
  std::vector<std::string> sets;  // KEY=VALUE
  friend auto operator<=>(const Variant&, const Variant&) = default;
};

/// What a variant came to on all replications.
struct Evaluated {
  Variant variant;
  bool feasible = true;
  std::string reason;           // why it is not
  bool refused = false;         // the scenario is wrong with these settings; the reason says how
  std::vector<RunResult> runs;  // by replication
  Duration write{0};            // the last completed checkpoint write of replication 0
  std::int64_t stalled = 0;     // replications that had to wait for nodes after their start

  /// By replication. Requires: feasible.
  std::vector<double> goodputs() const;
  std::int64_t restarts() const;  // of all replications
  Duration horizon() const;       // of all replications
};

/// Runs variants on common draws: replication r of every variant sees the streams of replication r.
/// Each is run once, however often it is asked for.
class Evaluator {
 public:
  Evaluator(JsonNode tree, int replications, int threads);

  /// The variants in order, those not known yet on all threads at once. Results do not depend on
  /// the number of threads. A scenario that refuses a variant's settings makes it infeasible;
  /// everything else throws.
  std::vector<const Evaluated*> evaluate(std::span<const Variant> variants);
  const Evaluated& evaluate(const Variant& variant);

  int replications() const { return replications_; }
  /// How many replays were made.
  std::int64_t replays() const;

 private:
  void run(const std::vector<Evaluated*>& wanted);

  JsonNode tree_;
  int replications_;
  int threads_;
  InputCache cache_;
  std::map<Variant, Evaluated> known_;
};

/// The ratio of two goodputs on common draws with its 95 % interval; no interval with one draw.
struct PairedRatio {
  double ratio = 1;
  std::optional<Interval> interval;
};
/// Empty when one of them has no run, or the second commits nothing.
std::optional<PairedRatio> paired_ratio(const Evaluated& a, const Evaluated& b);

}  // namespace bethany
