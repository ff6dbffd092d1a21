#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/recovery_fold.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Mean of P(recover | k) over the runs; empty when a run has none.
std::vector<double> curve_of(const std::vector<const JsonNode*>& runs) {
  std::vector<double> sums(kLossesShown, 0);
  for (const auto* run : runs) {
    const auto* curve = value_at(*run, {"recovery", "by_losses"});
    if (curve == nullptr || curve->items.size() != sums.size()) return {};
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const auto& item = curve->items[i];
      sums[i] += item.kind == JsonNode::Kind::real ? item.real : static_cast<double>(item.integer);
    }
  }
  for (auto& sum : sums) sum /= static_cast<double>(runs.size());
  return runs.empty() ? std::vector<double>{} : sums;
}

std::optional<Chart> make(const ReportData& data) {
  Chart chart = policy_chart(data, "recovery-curve", "Recovery without a restart, by nodes lost");
  chart.x = {"nodes lost at once", ScaleKind::category};
  chart.y = {"P(every expert keeps a live replica)"};
  ChartData rows{{{"policy", "policy"},
                  {"nodes_lost", "nodes lost at once"},
                  {"probability", "P(recover), given uniform victims"}},
                 {}};
  std::vector<std::string> sentences;
  std::vector<std::string> unknown;
  for (const auto& policy : policy_names(data)) {
    const auto runs = runs_of(data, policy);
    if (runs.empty() || is_bound(data, policy)) continue;
    const auto curve = curve_of(runs);
    if (curve.empty()) {
      unknown.push_back(policy);
      continue;
    }
    for (std::size_t i = 0; i < curve.size(); ++i) {
      rows.rows.push_back({policy, fmt::format("{}", i + 1), curve[i]});
    }
    sentences.push_back(
        fmt::format("{} survives the loss of one node with probability {}, of two "
                    "with {}, of four with {}",
                    policy, percent(curve[0]), percent(curve[1]), percent(curve[3])));
  }
  if (rows.rows.empty()) return std::nullopt;
  chart.caption =
      "Exact probability, given uniform victims: every set of that many nodes is equally likely to "
      "be lost. Each plan counts by the time trained under it. A policy that can only restart has "
      "0 "
      "by construction. Real losses may hit nodes together that uniform ones would not.";
  if (const auto count = replications_of(data); count > 1) {
    chart.caption += fmt::format(" Mean of {} replications.", count);
  }
  if (!unknown.empty()) {
    chart.caption += " Not known, so not drawn: " + list_in_words(unknown) + ".";
  }
  chart.caption += without_run(data);
  chart.alternative = sentences_of(sentences);
  for (const Mark mark : {Mark::line, Mark::dot}) {
    chart.layers.push_back(
        {.mark = mark, .x = "nodes_lost", .y = "probability", .colour = "policy"});
  }
  chart.data.push_back(std::move(rows));
  return chart;
}

const bool registered = add_chart({
    .name = "recovery-curve",
    .order = 40,
    .summary = "predicted probability to recover by the number of nodes lost",
    .make = make,
});

}  // namespace
}  // namespace bethany
