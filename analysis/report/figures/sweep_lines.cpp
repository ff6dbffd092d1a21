#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "analysis/report/sweep_grid.h"
#include "sim/base/statistics.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

double number_of(const JsonNode& value) {
  return value.kind == JsonNode::Kind::integer ? static_cast<double>(value.integer) : value.real;
}

/// The rows of the figure, point after point of each policy.
class LineMaker {
 public:
  LineMaker(const SweepGrid& grid, SweepAxis axis) : grid_(grid), axis_(std::move(axis)) {
    if (!axis_.is_number()) return;
    std::sort(axis_.values.begin(), axis_.values.end(),
              [](const JsonNode& a, const JsonNode& b) { return number_of(a) < number_of(b); });
  }

  void add(const std::string& policy) {
    double best = 0;
    std::string best_at;
    for (const auto& value : axis_.values) {
      const auto point = grid_.cells.find({value_text(value)});
      if (point == grid_.cells.end()) continue;
      const auto cell = point->second.find(policy);
      if (cell == point->second.end()) continue;
      if (!cell->second.complete()) {
        ++blank_;
        continue;
      }
      add_row(policy, value, cell->second);
      if (cell->second.mean() <= best) continue;
      best = cell->second.mean();
      best_at = value_text(value);
    }
    if (best_at.empty()) return;
    sentences_.push_back(fmt::format("{} has most goodput, {} tokens/s, at {}", policy,
                                     short_number(best), best_at));
  }

  const ChartData& rows() const { return rows_; }
  bool intervals() const { return intervals_; }
  std::string alternative() const { return sentences_of(sentences_); }
  std::string caption() const {
    std::string text = intervals_
                           ? "Mean over the replications; bars: its 95 % interval (Student t)."
                           : "One trace by point: there is no interval.";
    if (blank_ > 0) {
      text += fmt::format(" Left out: {} points at which a policy lacks a run in a replication.",
                          blank_);
    }
    if (!axis_.followers.empty()) {
      text += " Changes with it: " + list_in_words(axis_.followers) + ".";
    }
    return text;
  }

 private:
  void add_row(const std::string& policy, const JsonNode& value, const SweepCell& cell) {
    std::vector<double> values;
    for (const auto& [replication, goodput] : cell.goodput) values.push_back(goodput);
    ChartCell low;
    ChartCell high;
    if (values.size() > 1) {
      const Interval interval = mean_interval(values);
      low = interval.low;
      high = interval.high;
      intervals_ = true;
    }
    const ChartCell at =
        axis_.is_number() ? ChartCell(number_of(value)) : ChartCell(value_text(value));
    rows_.rows.push_back({policy, at, cell.mean(), low, high, static_cast<double>(values.size())});
  }

  const SweepGrid& grid_;
  SweepAxis axis_;
  ChartData rows_{{{"policy", "policy"},
                   {"value", axis_.key},
                   {"goodput_tokens_per_s", "mean goodput, tokens/s"},
                   {"low", "low end, 95 %"},
                   {"high", "high end, 95 %"},
                   {"replications", "replications"}},
                  {}};
  std::vector<std::string> sentences_;
  bool intervals_ = false;
  int blank_ = 0;
};

std::optional<Chart> make(const ReportData& data) {
  if (data.sweep_runs.empty()) return std::nullopt;
  const SweepGrid grid = sweep_grid(data);
  if (grid.axes.size() != 1) return std::nullopt;
  const SweepAxis& axis = grid.axes.front();
  LineMaker lines(grid, axis);
  for (const auto& policy : policy_names(data)) lines.add(policy);
  if (lines.rows().rows.empty()) return std::nullopt;
  Chart chart = policy_chart(data, "sweep-lines", "Goodput by " + axis.key);
  chart.x = {axis.key, axis.is_number() ? ScaleKind::linear : ScaleKind::category, false};
  chart.y = {"goodput, tokens/s"};
  chart.caption = lines.caption() + bounds_are_dashed(data);
  chart.alternative = lines.alternative();
  std::vector<ChartLayer> layers;
  for (const Mark mark : {Mark::line, Mark::dot}) {
    layers.push_back({.mark = mark, .x = "value", .y = "goodput_tokens_per_s", .colour = "policy"});
  }
  if (lines.intervals()) {
    layers.push_back(
        {.mark = Mark::interval, .x = "value", .y = "low", .y2 = "high", .colour = "policy"});
  }
  add_by_policy(data, lines.rows(), layers, chart);
  return chart;
}

const bool registered = add_chart({
    .name = "sweep-lines",
    .order = 101,
    .summary = "goodput by policy over one axis of a sweep",
    .make = make,
});

}  // namespace
}  // namespace bethany
