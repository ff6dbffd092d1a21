#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"

namespace bethany {
namespace {

std::optional<Chart> make(const ReportData& data) {
  const auto scale = time_scale(data);
  if (!scale) return std::nullopt;
  const TimeColumns& columns = scale->columns;
  const TimeUnit& unit = scale->unit;
  Chart chart = policy_chart(data, "members", "Nodes over time");
  chart.x = {"time since the start, " + unit.title};
  chart.y = {"nodes"};
  chart.caption = fmt::format(
      "Nodes that take part in training, stepping or blocked, as the mean over {}. The thin line "
      "without colour is the nodes that are there, whether a policy can use them or not; while a "
      "job "
      "waits for nodes it has no members.",
      rounded_text(columns.width));
  const std::string time = "time_" + unit.name;
  ChartData rows{{{"policy", "policy"}, {time, unit.title}, {"members", "nodes that take part"}},
                 {}};
  ChartData live{{{time, unit.title}, {"nodes", "nodes that are there"}}, {}};
  std::vector<std::string> sentences;
  for (const auto& kept : data.kept) {
    const RunSeries& series = *kept.series;
    const SimTime end = series.ended.horizon;
    const bool first_of_trace = !kept.is_bound && live.rows.empty();
    Int128 all = 0;
    for (std::size_t i = 0; i < columns.count && columns.begin(i) < end; ++i) {
      const Duration length = std::min(end, columns.begin(i + 1)) - columns.begin(i);
      const auto mean = [&](const std::vector<Int128>& node_ns) {
        return to_seconds(column_sum(node_ns, columns, i)) / to_seconds(length);
      };
      all += column_sum(series.course.member_ns, columns, i);
      rows.rows.push_back({kept.policy, unit.of(columns.begin(i)), mean(series.course.member_ns)});
      if (first_of_trace) {
        live.rows.push_back({unit.of(columns.begin(i)), mean(series.course.live_ns)});
      }
    }
    if (end == SimTime()) continue;
    const ChartCell last = rows.rows.back()[2];
    rows.rows.push_back({kept.policy, unit.of(end), last});
    if (first_of_trace) live.rows.push_back({unit.of(end), ChartCell(live.rows.back()[1])});
    sentences.push_back(fmt::format("{} trains on {} of {} nodes on average", kept.policy,
                                    rounded(to_seconds(all) / to_seconds(end)),
                                    grouped(series.started.target_nodes)));
  }
  chart.alternative = sentences_of(sentences);
  if (!live.rows.empty()) {
    chart.layers.push_back({.mark = Mark::steps, .x = time, .y = "nodes", .faint = true});
    chart.data.push_back(live);
  }
  add_by_policy(data, rows, {{.mark = Mark::steps, .x = time, .y = "members", .colour = "policy"}},
                chart);
  chart.caption += bounds_are_dashed(data) + without_run(data) + of_first_replication(data);
  return chart;
}

const bool registered = add_chart({
    .name = "members",
    .order = 11,
    .summary = "nodes that take part over time by policy, and those that are there",
    .make = make,
});

}  // namespace
}  // namespace bethany
