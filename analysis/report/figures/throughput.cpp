#include <fmt/format.h>

#include <algorithm>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// More vertical lines of a kind than this would hide the rest.
constexpr std::size_t kMostLines = 150;

ChartData rows_of(const std::vector<Course::Change>& changes, const char* event,
                  const TimeUnit& unit) {
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
}

/// Losses and joins as vertical lines: those of the first policy that met the trace.
void add_instants(const ReportData& data, const TimeUnit& unit, Chart& chart) {
  const auto met = std::find_if(data.kept.begin(), data.kept.end(),
                                [](const KeptRun& kept) { return !kept.is_bound; });
  if (met == data.kept.end()) return;
  const Course& line = met->series->course;
  const auto add = [&](const std::vector<Course::Change>& changes, std::int64_t left_out,
                       const char* event, bool dashed) {
    const auto all = static_cast<std::int64_t>(changes.size()) + left_out;
    if (all == 0) return;
    const bool drawn = changes.size() <= kMostLines;
    chart.caption +=
        fmt::format(" Nodes {} at {} instant{}: {}.", event, grouped(all), all == 1 ? "" : "s",
                    !drawn   ? "too many to be drawn"
                    : dashed ? "dashed vertical lines"
                             : "solid vertical lines");
    if (!drawn) return;
    chart.layers.push_back({.mark = Mark::rule,
                            .data = chart.data.size(),
                            .x = "time_" + unit.name,
                            .dashed = dashed,
                            .faint = true});
    chart.data.push_back(rows_of(changes, event, unit));
  };
  add(line.losses, line.losses_left_out, "lost", false);
  add(line.joins, line.joins_left_out, "joined after the start", true);
}

/// Throughput column after column, and how it varies within them.
class RateMaker {
 public:
  explicit RateMaker(const TimeScale& scale)
      : bins_(scale.bins), columns_(scale.columns), unit_(scale.unit), time_("time_" + unit_.name) {
    rows_.columns = {{"policy", "policy"},
                     {time_, "begin, " + unit_.title},
                     {"throughput_tokens_per_s", "tokens/s of committed steps"},
                     {"middle_" + unit_.name, "middle, " + unit_.title},
                     {"lowest", "lowest part, tokens/s"},
                     {"highest", "highest part, tokens/s"}};
  }

  void add(const KeptRun& kept) {
    const RunSeries& series = *kept.series;
    const SimTime end = series.ended.horizon;
    if (end == SimTime()) return;
    const auto rate = [&](std::int64_t samples, SimTime from, SimTime to) {
      return static_cast<double>(samples) * static_cast<double>(series.started.tokens_per_sample) /
             to_seconds(std::min(end, to) - from);
    };
    double lowest = 0;
    double highest = 0;
    std::int64_t all = 0;
    for (std::size_t i = 0; i < columns_.count && columns_.begin(i) < end; ++i) {
      const SimTime from = columns_.begin(i);
      const std::int64_t samples = column_sum(series.course.committed, columns_, i);
      const double mean = rate(samples, from, columns_.begin(i + 1));
      all += samples;
      lowest = i == 0 ? mean : std::min(lowest, mean);
      highest = std::max(highest, mean);
      double low = mean;
      double high = mean;
      for (std::size_t bin = i * columns_.bins;
           bin < std::min(bins_.count, (i + 1) * columns_.bins) && bins_.begin(bin) < end; ++bin) {
        const double part =
            rate(series.course.committed[bin], bins_.begin(bin), bins_.begin(bin + 1));
        low = std::min(low, part);
        high = std::max(high, part);
      }
      const Duration half = (std::min(end, columns_.begin(i + 1)) - from) / 2;
      rows_.rows.push_back({kept.policy, unit_.of(from), mean, unit_.of(from + half), low, high});
    }
    const ChartCell last = rows_.rows.back()[2];
    rows_.rows.push_back({kept.policy, unit_.of(end), last, {}, {}, {}});
    sentences_.push_back(fmt::format("{} commits {} tokens/s on average, {} to {} by stretch",
                                     kept.policy, short_number(rate(all, SimTime(), end)),
                                     short_number(lowest), short_number(highest)));
  }

  /// Where a stretch of the line is long, it hides much: then bars show the parts of it.
  bool long_stretches() const { return columns_.width >= std::chrono::minutes(30); }

  std::vector<ChartLayer> layers() const {
    std::vector<ChartLayer> layers = {
        {.mark = Mark::steps, .x = time_, .y = "throughput_tokens_per_s", .colour = "policy"}};
    if (long_stretches()) {
      layers.push_back({.mark = Mark::interval,
                        .x = "middle_" + unit_.name,
                        .y = "lowest",
                        .y2 = "highest",
                        .colour = "policy",
                        .faint = true});
    }
    return layers;
  }

  std::string caption() const {
    std::string text = fmt::format(
        "Each stretch of a line is the mean over {} of the tokens that steps committed in it, kept "
        "or rolled back later; time without steps counts as 0.",
        rounded_text(columns_.width));
    if (long_stretches()) {
      text += fmt::format(" Faint bars: the lowest and the highest mean over {} in a stretch.",
                          rounded_text(bins_.width));
    }
    return text;
  }

  const TimeUnit& unit() const { return unit_; }
  const ChartData& rows() const { return rows_; }
  std::string alternative() const { return sentences_of(sentences_); }

 private:
  TimeBins bins_;
  TimeColumns columns_;
  TimeUnit unit_;
  std::string time_;
  ChartData rows_;
  std::vector<std::string> sentences_;
};

std::optional<Chart> make(const ReportData& data) {
  const auto scale = time_scale(data);
  if (!scale) return std::nullopt;
  RateMaker rates(*scale);
  for (const auto& kept : data.kept) rates.add(kept);
  Chart chart = policy_chart(data, "throughput", "Throughput over time");
  chart.x = {"time since the start, " + rates.unit().title};
  chart.y = {"tokens/s of committed steps"};
  chart.caption = rates.caption();
  chart.alternative = rates.alternative();
  add_by_policy(data, rates.rows(), rates.layers(), chart);
  add_instants(data, rates.unit(), chart);
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
