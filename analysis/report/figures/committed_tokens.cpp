#include <fmt/format.h>

#include <algorithm>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"

namespace bethany {
namespace {

/// Samples that count, at the begin of each column, at the end and around each rollback.
std::vector<std::pair<SimTime, std::int64_t>> points_of(const RunSeries& series,
                                                        const TimeColumns& columns) {
  const Course& line = series.course;
  const SimTime end = series.ended.horizon;
  const auto net = line.net_at_edges();
  std::vector<std::pair<SimTime, std::int64_t>> points;
  auto drop = line.drops.begin();
  const auto add_drops_before = [&](SimTime time) {
    for (; drop != line.drops.end() && drop->time < time; ++drop) {
      points.emplace_back(drop->time, drop->before);
      points.emplace_back(drop->time, drop->after);
    }
  };
  for (std::size_t i = 0; i < columns.count && columns.begin(i) < end; ++i) {
    add_drops_before(columns.begin(i));
    points.emplace_back(columns.begin(i), net[i * columns.bins]);
  }
  add_drops_before(kNever);
  points.emplace_back(end, series.ended.samples);
  return points;
}

/// "lazarus commits 1.83 M samples, 2.40 times ds and 0.78 times ideal".
std::string alternative_of(const ReportData& data) {
  const KeptRun* most = nullptr;
  for (const auto& kept : data.kept) {
    const bool more = most == nullptr || kept.series->ended.samples > most->series->ended.samples;
    if (!kept.is_bound && more) most = &kept;
  }
  if (most == nullptr) most = &data.kept.front();
  const auto samples = static_cast<double>(most->series->ended.samples);
  std::vector<std::string> sentences = {
      fmt::format("{} commits {} samples", most->policy, short_number(samples))};
  for (const auto& kept : data.kept) {
    const auto other = static_cast<double>(kept.series->ended.samples);
    if (&kept == most || other == 0) continue;
    sentences.push_back(
        kept.is_bound ? fmt::format("{} of the bound {}", percent(samples / other), kept.policy)
                      : fmt::format("{:.3g} times {}", samples / other, kept.policy));
  }
  std::string text;
  for (std::size_t i = 0; i < sentences.size(); ++i) text += (i == 0 ? "" : ", ") + sentences[i];
  return text + ".";
}

std::optional<Chart> make(const ReportData& data) {
  const auto scale = time_scale(data);
  if (!scale) return std::nullopt;
  const TimeColumns& columns = scale->columns;
  const TimeUnit& unit = scale->unit;
  Chart chart = policy_chart(data, "committed-tokens", "Committed tokens");
  chart.x = {"time since the start, " + unit.title};
  chart.y = {"tokens that count"};
  const std::string time = "time_" + unit.name;
  ChartData rows{{{"policy", "policy"}, {time, unit.title}, {"tokens", "tokens that count"}}, {}};
  std::int64_t left_out = 0;
  for (const auto& kept : data.kept) {
    const auto tokens = static_cast<double>(kept.series->started.tokens_per_sample);
    for (const auto& [at_time, samples] : points_of(*kept.series, columns)) {
      rows.rows.push_back({kept.policy, unit.of(at_time), static_cast<double>(samples) * tokens});
    }
    left_out += kept.series->course.drops_left_out;
  }
  chart.caption = fmt::format(
      "Tokens of committed steps that have not been rolled back by then, every {} and at every "
      "rollback, where a line falls.",
      rounded_text(columns.width));
  if (left_out > 0) {
    chart.caption +=
        fmt::format(" {} rollbacks beyond the first {} of a policy are only seen as slower growth.",
                    grouped(left_out), Course::kMostKept);
  }
  add_by_policy(data, rows, {{.mark = Mark::line, .x = time, .y = "tokens", .colour = "policy"}},
                chart);
  chart.caption += bounds_are_dashed(data) + without_run(data) + of_first_replication(data);
  chart.alternative = alternative_of(data);
  return chart;
}

const bool registered = add_chart({
    .name = "committed-tokens",
    .order = 20,
    .summary = "tokens that count over time by policy, with the falls at rollbacks",
    .make = make,
});

}  // namespace
}  // namespace bethany
