#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

/// The recoveries of a policy over all its runs.
struct Pooled {
  std::int64_t recovered = 0;
  std::int64_t decided = 0;
  double predicted = 0;  // sum over decided disruptions
  bool predicted_known = true;

  void add(const JsonNode& run) {
    const auto count = [&](const char* key) {
      return integer_at(run, {"recovery", key}).value_or(0);
    };
    const std::int64_t here = count("in_place") + count("regroup");
    const std::int64_t decided_here = here + count("restart");
    if (decided_here == 0) return;
    recovered += here;
    decided += decided_here;
    const auto mean = number_at(run, {"recovery", "predicted"});
    predicted_known = predicted_known && mean;
    predicted += mean.value_or(0) * static_cast<double>(decided_here);
  }
};

std::optional<Chart> make(const ReportData& data) {
  Chart chart = policy_chart(data, "recovery-observed", "Recoveries observed and predicted");
  chart.x = {"share of disruptions answered without a restart"};
  chart.y = {"policy", ScaleKind::category};
  ChartData observed{{{"policy", "policy"},
                      {"share", "observed share"},
                      {"low", "low end, 95 %"},
                      {"high", "high end, 95 %"},
                      {"recovered", "recovered"},
                      {"disruptions", "decided disruptions"}},
                     {}};
  ChartData predicted{{{"policy", "policy"}, {"share", "predicted share"}}, {}};
  std::vector<std::string> sentences;
  for (const auto& policy : policy_names(data)) {
    Pooled pooled;
    for (const auto* run : runs_of(data, policy)) pooled.add(*run);
    if (pooled.decided == 0) continue;
    const auto decided = static_cast<double>(pooled.decided);
    const double share = static_cast<double>(pooled.recovered) / decided;
    const Interval interval = clopper_pearson(pooled.recovered, pooled.decided);
    observed.rows.push_back({policy, share, interval.low, interval.high,
                             static_cast<double>(pooled.recovered), decided});
    std::string sentence =
        fmt::format("{} recovered from {} of {} disruptions ({})", policy,
                    grouped(pooled.recovered), grouped(pooled.decided), percent(share));
    if (pooled.predicted_known) {
      predicted.rows.push_back({policy, pooled.predicted / decided});
      sentence += fmt::format(", predicted {}", percent(pooled.predicted / decided));
    }
    sentences.push_back(std::move(sentence));
  }
  if (observed.rows.empty()) return std::nullopt;
  chart.caption =
      "Dot and bar: the share observed and its exact 95 % interval (Clopper-Pearson), which takes "
      "disruptions as independent. Faint dot: the mean of what was predicted for the same "
      "disruptions, given uniform victims. Policies without a decided disruption are left out.";
  chart.alternative = sentences_of(sentences);
  chart.layers.push_back(
      {.mark = Mark::interval, .x = "low", .x2 = "high", .y = "policy", .colour = "policy"});
  chart.layers.push_back({.mark = Mark::dot, .x = "share", .y = "policy", .colour = "policy"});
  chart.data.push_back(std::move(observed));
  if (!predicted.rows.empty()) {
    chart.layers.push_back(
        {.mark = Mark::dot, .data = 1, .x = "share", .y = "policy", .faint = true});
    chart.data.push_back(std::move(predicted));
  }
  return chart;
}

const bool registered = add_chart({
    .name = "recovery-observed",
    .order = 41,
    .summary = "recoveries observed, with interval, beside the prediction",
    .make = make,
});

}  // namespace
}  // namespace bethany
