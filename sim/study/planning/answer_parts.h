#pragma once

#include <string>
#include <vector>

#include "sim/study/planning/evaluator.h"
#include "sim/study/planning/plan.h"

namespace bethany {

// What answers to planning questions share.

/// The head of an answer's JSON: schema, version, question, seed, trace and profile of the first
/// run that there is, replications.
JsonNode plan_head(const std::string& question, const std::vector<std::string>& policies,
                   const Evaluator& evaluator, const std::vector<const Evaluated*>& evaluated);

/// `rows`, `answer` and `text` below the head.
void finish_json(PlanAnswer& answer, std::vector<JsonNode> rows, JsonNode result);

/// {"mean","low","high"} of goodput; null without a run.
JsonNode goodput_json(const Evaluated& evaluated);
/// "43,210 [42,900, 43,500]".
std::string goodput_text(const Evaluated& evaluated);
/// {"ratio","low","high"}; null when there is none.
JsonNode ratio_json(const std::optional<PairedRatio>& ratio);
/// "0.981 [0.970, 0.992]".
std::string ratio_text(const std::optional<PairedRatio>& ratio);

/// The one policy of the question: the one given, or the scenario's first, or lazarus.
std::string one_policy(const JsonNode& tree, const PlanOptions& options);

/// The policy with a key of its own laid over it: "ds:checkpoint.every=50".
std::string with_key(const std::string& policy, const std::string& key, const std::string& value);

/// The one with most mean goodput; null when none has a run.
const Evaluated* best_of(const std::vector<const Evaluated*>& evaluated);

/// When none of them has a run throws InfeasibleError with the reason of the first, or InputError
/// when the scenario refuses it.
void require_a_run(const std::vector<const Evaluated*>& evaluated);

/// A line of means with their intervals over an x axis.
struct LinePoint {
  double x = 0;
  double mean = 0;
  std::optional<Interval> interval;
};
Chart line_chart(const std::string& id, const std::string& title, ChartAxis x, ChartAxis y,
                 const std::vector<LinePoint>& points);

}  // namespace bethany
