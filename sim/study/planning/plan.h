#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/report/chart.h"
#include "analysis/table.h"
#include "sim/base/json.h"

namespace bethany {

/// What a planning question is asked with; each takes what it needs.
struct PlanOptions {
  std::vector<std::string> policies;  // one, or for breakeven two; empty: the scenario's first
  int replications = 20;
  int threads = 1;
  int most = 8;       // spares: up to so many; f: up to so many, 0 for all
  bool cold = false;  // spares: they take cluster.startup_delay to step in
  std::string key;    // breakeven: a scenario key, or "policy." and a key of both policies
  std::string low;    // breakeven: the range, as a scenario writes values of the key
  std::string high;
  std::int64_t tokens = 0;  // finish
};

/// The answer to a planning question: one table and one figure.
struct PlanAnswer {
  std::string question;
  JsonNode json;  // "bethany/plan/1": question, policies, replications, replays, rows, answer, text
  Table table;
  std::vector<std::string> text;  // the answer in sentences, and what it rests on
  std::optional<Chart> figure;
};

/// Which questions there are, with a line each.
struct PlanQuestion {
  std::string name;
  std::string summary;
  PlanAnswer (*answer)(const JsonNode& tree, const PlanOptions& options);
};
const std::vector<PlanQuestion>& plan_questions();

/// The checkpoint interval with most goodput, its flat region (within 1 % of the best), and the
/// intervals of Young and Daly for the same writes and restarts. A coarse geometric grid of
/// intervals from a write to half the horizon, then two rounds between the neighbours of the best.
PlanAnswer plan_checkpoint(const JsonNode& tree, const PlanOptions& options);

/// Goodput, tokens per machine-hour and stalls with 0, 1, … machines beyond cluster.nodes that step
/// in when one is lost: hot ones at once, cold ones after cluster.startup_delay. Throws InputError
/// when the trace is no generator with `nodes`: a recorded trace has no further machines.
PlanAnswer plan_spares(const JsonNode& tree, const PlanOptions& options);

/// Goodput and recoveries by the fault threshold f, as far as the slots allow.
PlanAnswer plan_fault_threshold(const JsonNode& tree, const PlanOptions& options);

/// The value of a key at which two policies have equal mean goodput, and the values between which
/// their paired difference cannot be told from 0. Both ends of the range are run, then 5 values
/// between them, then bisection.
PlanAnswer plan_breakeven(const JsonNode& tree, const PlanOptions& options);

/// When so many tokens are trained, and the bill: P10, P50, P90 over the replications. A trace that
/// is shorter is repeated.
PlanAnswer plan_finish(const JsonNode& tree, const PlanOptions& options);

}  // namespace bethany
