#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Losses and joins as vertical lines: those of the first policy that met the trace.
void add_instants(const ReportData& data, const TimeUnit& unit, Chart& chart) {
  const RunSeries* series = nullptr;
  for (const auto& kept : data.kept) {
    if (!kept.is_bound && series == nullptr) series = kept.series.get();
  }
  if (series == nullptr) return;
  const Timeline& line = series->timeline;
  const auto rows_of = [&](const std::vector<Timeline::Change>& changes, const char* event) {
    ChartData rows{{{"time_" + unit.name, unit.title},
                    {"event", "event"},
                    {"nodes", "nodes"},
                    {"cause", "cause"}},
                   {}};
    for (const auto& change : changes) {
      ChartCell cause;
      if (!change.cause.empty()) cause = change.cause;
      rows.rows.push_back({unit.of(change.time), event, static_cast<double>(change.nodes), cause});
    }
    return rows;
  };
  const auto add = [&](ChartData rows, bool dashed) {
    if (rows.rows.empty()) return;
    chart.layers.push_back({.mark = Mark::rule,
                            .data = chart.data.size(),
                            .x = rows.columns[0].name,
                            .dashed = dashed,
                            .faint = true});
    chart.data.push_back(std::move(rows));
  };
  add(rows_of(line.losses, "nodes lost"), false);
  add(rows_of(line.joins, "nodes joined"), true);
  const auto all = [](const auto& kept, std::int64_t left_out) {
    std::string text = grouped(static_cast<std::int64_t>(kept.size()) + left_out);
    if (left_out > 0) text += fmt::format(" (the first {} are drawn)", kept.size());
    return text;
  };
  chart.caption += fmt::format(
      " Vertical lines: nodes were lost at {} instants (solid) and joined at {} after the start "
      "(dashed).",
      all(line.losses, line.losses_left_out), all(line.joins, line.joins_left_out));
}

std::optional<Chart> make(const ReportData& data) {
  if (data.kept.empty() || data.kept.front().series->timeline.bins.count == 0) return std::nullopt;
  const auto& bins = data.kept.front().series->timeline.bins;
  const TimeColumns columns = time_columns(bins);
  const TimeUnit unit = time_unit(static_cast<std::int64_t>(bins.count) * bins.width);
  Chart chart = policy_chart(data, "throughput", "Throughput over time");
  chart.x = {"time since the start, " + unit.title};
  chart.y = {"tokens/s of committed steps"};
  chart.caption = fmt::format(
      "Each stretch of a line is the mean over {} of the tokens that steps committed in it, kept "
      "or "
      "rolled back later; time without steps counts as 0.",
      rounded_text(columns.width));
  ChartData rows{{{"policy", "policy"},
                  {"time_" + unit.name, unit.title},
                  {"throughput_tokens_per_s", "tokens/s of committed steps"}},
                 {}};
  std::vector<std::string> sentences;
  for (const auto& kept : data.kept) {
    const RunSeries& series = *kept.series;
    const SimTime end = series.ended.horizon;
    double lowest = 0;
    double highest = 0;
    double all = 0;
    for (std::size_t i = 0; i < columns.count && columns.begin(i) < end; ++i) {
      const Duration length = std::min(end, columns.begin(i + 1)) - columns.begin(i);
      const double tokens = static_cast<double>(column_sum(series.timeline.committed, columns, i)) *
                            static_cast<double>(series.started.tokens_per_sample);
      const double rate = tokens / to_seconds(length);
      lowest = i == 0 ? rate : std::min(lowest, rate);
      highest = std::max(highest, rate);
      all += tokens;
      rows.rows.push_back({kept.policy, unit.of(columns.begin(i)), rate});
    }
    if (end == SimTime()) continue;
    const ChartCell last = rows.rows.back()[2];
    rows.rows.push_back({kept.policy, unit.of(end), last});
    sentences.push_back(fmt::format("{} commits {} tokens/s on average, {} to {} by stretch",
                                    kept.policy,
                                    short_number(all / to_seconds(end.time_since_epoch())),
                                    short_number(lowest), short_number(highest)));
  }
  chart.alternative = sentences_of(sentences);
  add_by_policy(data, rows,
                {{.mark = Mark::steps,
                  .x = rows.columns[1].name,
                  .y = "throughput_tokens_per_s",
                  .colour = "policy"}},
                chart);
  add_instants(data, unit, chart);
  chart.caption += bounds_are_dashed(data) + without_run(data) + of_first_replication(data);
  return chart;
}

const bool registered = add_chart({
    .name = "throughput",
    .order = 10,
    .summary = "tokens/s of committed steps over time by policy, with losses and joins",
    .make = make,
});

}  // namespace
}  // namespace bethany
