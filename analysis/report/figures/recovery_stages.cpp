#include <fmt/format.h>

#include <algorithm>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"

namespace bethany {
namespace {

std::string in_words(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::optional<Chart> make(const ReportData& data) {
  Chart chart;
  chart.id = "recovery-stages";
  chart.title = "What recoveries consist of";
  chart.x = {"mean time of a recovery, s"};
  chart.y = {"policy and outcome", ScaleKind::category};
  chart.colour_title = "stage";
  ChartData rows{{{"policy", "policy"},
                  {"outcome", "outcome"},
                  {"recovery", "policy and outcome"},
                  {"stage", "stage"},
                  {"mean_s", "mean time of a recovery, s"},
                  {"recoveries", "recoveries"}},
                 {}};
  std::vector<std::string> sentences;
  for (const auto& kept : data.kept) {
    for (std::size_t outcome = 0; outcome < kRecoveryCount; ++outcome) {
      const auto& recovered = kept.series->disruptions.by_outcome[outcome];
      const auto count = recovered.time_ns.count();
      if (count == 0) continue;
      const std::string name = in_words(name_of(static_cast<Recovery>(outcome)));
      const std::string label = fmt::format("{}: {} ({})", kept.policy, name, grouped(count));
      const auto add = [&](std::string stage, Duration sum) {
        if (sum == Duration(0)) return;
        rows.rows.push_back({kept.policy, name, label, std::move(stage),
                             to_seconds(sum) / static_cast<double>(count),
                             static_cast<double>(count)});
      };
      for (std::size_t stage = 0; stage < kStageCount; ++stage) {
        add(in_words(name_of(static_cast<Stage>(stage))), recovered.stages[stage]);
      }
      add("waiting for nodes", recovered.waiting);
      sentences.push_back(
          fmt::format("{} takes {} s on average by {} ({})", kept.policy,
                      rounded(to_seconds(recovered.time_ns.sum()) / static_cast<double>(count)),
                      name, grouped(count)));
    }
  }
  if (rows.rows.empty()) return std::nullopt;
  // Those that occur, in the order of stages: there are fewer colours than stages.
  const auto occurs = [&](const std::string& stage) {
    return std::any_of(rows.rows.begin(), rows.rows.end(), [&](const auto& row) {
      return std::get<std::string>(row[3]) == stage;
    });
  };
  for (std::size_t stage = 0; stage < kStageCount; ++stage) {
    const auto name = in_words(name_of(static_cast<Stage>(stage)));
    if (occurs(name)) chart.colour_order.push_back(name);
  }
  chart.colour_order.emplace_back("waiting for nodes");
  chart.caption =
      "Mean time from a loss to the next step by how the job went on, with the number of "
      "recoveries "
      "in brackets. A recovery that met further losses counts under its last decision and has the "
      "stages of all attempts." +
      without_run(data) + of_first_replication(data);
  chart.alternative = sentences_of(sentences);
  chart.layers.push_back({.mark = Mark::bar, .x = "mean_s", .y = "recovery", .colour = "stage"});
  chart.data.push_back(std::move(rows));
  return chart;
}

const bool registered = add_chart({
    .name = "recovery-stages",
    .order = 61,
    .summary = "mean recovery time by stage, policy and outcome",
    .make = make,
});

}  // namespace
}  // namespace bethany
