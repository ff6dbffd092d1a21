#include "analysis/report/figure_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "analysis/number_text.h"
#include "analysis/report/json_values.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

constexpr std::size_t kMostColumns = 150;
constexpr double kThinned = 0.005;  // least rise of a distribution that is drawn

void add_new(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

std::vector<std::string> policy_names(const ReportData& data) {
  std::vector<std::string> names;
  for (const auto& entry : items_of(data.comparison, "policies")) {
    add_new(names, text_at(entry, {"policy"}));
  }
  for (const auto& run : data.sweep_runs) add_new(names, text_at(run, {"assignment", "policy"}));
  return names;
}

bool is_bound(const ReportData& data, const std::string& policy) {
  if (!data.sweep_runs.empty()) return looks_like_bound(data.scenario, policy);
  const auto& entries = items_of(data.comparison, "policies");
  return std::any_of(entries.begin(), entries.end(), [&](const JsonNode& entry) {
    return text_at(entry, {"policy"}) == policy && flag_at(entry, {"bound"});
  });
}

std::vector<const JsonNode*> runs_of(const ReportData& data, const std::string& policy) {
  std::vector<const JsonNode*> runs;
  for (const auto& run : items_of(data.comparison, "runs")) {
    if (text_at(run, {"policy"}) == policy && flag_at(run, {"feasible"})) runs.push_back(&run);
  }
  return runs;
}

std::int64_t replications_of(const ReportData& data) {
  std::set<std::int64_t> seen;
  for (const auto& run : items_of(data.comparison, "runs")) {
    seen.insert(integer_at(run, {"replication"}).value_or(0));
  }
  return static_cast<std::int64_t>(seen.size());
}

TimeUnit time_unit(Duration longest) {
  const double seconds = to_seconds(longest);
  if (seconds <= 180) return {"s", "seconds", 1};
  if (seconds <= 3 * 3600) return {"min", "minutes", 60};
  if (seconds <= 4 * 86400) return {"h", "hours", 3600};
  return {"d", "days", 86400};
}

Chart policy_chart(const ReportData& data, std::string id, std::string title) {
  Chart chart;
  chart.id = std::move(id);
  chart.title = std::move(title);
  chart.colour_title = "policy";
  chart.colour_order = policy_names(data);
  return chart;
}

void add_by_policy(const ReportData& data, const ChartData& rows,
                   const std::vector<ChartLayer>& layers, Chart& chart) {
  const auto column = std::find_if(rows.columns.begin(), rows.columns.end(),
                                   [](const auto& one) { return one.name == "policy"; });
  const auto index = static_cast<std::size_t>(column - rows.columns.begin());
  for (const bool bounds : {false, true}) {
    ChartData part{rows.columns, {}};
    for (const auto& row : rows.rows) {
      if (is_bound(data, std::get<std::string>(row[index])) == bounds) part.rows.push_back(row);
    }
    if (part.rows.empty()) continue;
    for (auto layer : layers) {
      layer.data = chart.data.size();
      layer.dashed = bounds;
      chart.layers.push_back(std::move(layer));
    }
    chart.data.push_back(std::move(part));
  }
}

namespace {

TimeColumns time_columns(const TimeBins& bins) {
  TimeColumns columns;
  for (const std::size_t joined : {1U, 2U, 4U, 5U, 8U, 10U, 20U}) {
    columns.bins = joined;
    columns.count = (bins.count + joined - 1) / joined;
    if (columns.count <= kMostColumns) break;
  }
  columns.width = static_cast<std::int64_t>(columns.bins) * bins.width;
  return columns;
}

}  // namespace

std::optional<TimeScale> time_scale(const ReportData& data) {
  if (data.kept.empty()) return std::nullopt;
  const auto& bins = data.kept.front().series->course.bins;
  if (bins.count == 0) return std::nullopt;
  return TimeScale{bins, time_columns(bins),
                   time_unit(static_cast<std::int64_t>(bins.count) * bins.width)};
}

std::optional<Chart> ecdf_chart(const ReportData& data, std::string id, std::string title,
                                const ChartData::Column& column, double per_unit,
                                const std::vector<Distribution>& distributions) {
  double low = 0;
  double high = 0;
  bool any = false;
  for (const auto& one : distributions) {
    if (one.values.count() == 0) continue;
    const double first = static_cast<double>(one.values.counts().begin()->first) / per_unit;
    const double last = static_cast<double>(one.values.counts().rbegin()->first) / per_unit;
    low = any ? std::min(low, first) : first;
    high = any ? std::max(high, last) : last;
    any = true;
  }
  if (!any) return std::nullopt;
  Chart chart = policy_chart(data, std::move(id), std::move(title));
  const bool logarithmic = low > 0 && high > 30 * low;
  chart.x = {column.title, logarithmic ? ScaleKind::logarithmic : ScaleKind::linear};
  chart.y = {"share of values at most this", ScaleKind::linear, true};
  ChartData rows{{{"policy", "policy"}, column, {"share", "share of values at most this"}}, {}};
  bool thinned = false;
  for (const auto& one : distributions) {
    if (one.values.count() == 0) continue;
    rows.rows.push_back({one.policy, low, 0.0});
    double drawn = 0;
    std::int64_t below = 0;
    for (const auto& [value, times] : one.values.counts()) {
      below += times;
      const double share = static_cast<double>(below) / static_cast<double>(one.values.count());
      if (below < one.values.count() && share - drawn < kThinned) {
        thinned = true;
        continue;
      }
      drawn = share;
      rows.rows.push_back({one.policy, static_cast<double>(value) / per_unit, share});
    }
    rows.rows.push_back({one.policy, high, 1.0});
  }
  add_by_policy(data, rows,
                {{.mark = Mark::steps, .x = column.name, .y = "share", .colour = "policy"}}, chart);
  if (thinned) chart.caption = " Drawn in steps of half a per cent.";
  for (const auto& one : distributions) {
    if (one.values.exact()) continue;
    chart.caption += fmt::format(" Values of {} are rounded up by less than 0.4 %.", one.policy);
  }
  return chart;
}

std::string short_number(double value) {
  if (std::abs(value) < 9999.5) return rounded(value);
  constexpr std::array<const char*, 5> kUnits = {"", " k", " M", " G", " T"};
  std::size_t unit = 0;
  for (; std::abs(value) >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return rounded(value) + kUnits[unit];
}

std::string sentences_of(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : "; ") + parts[i];
  return text.empty() ? text : text + ".";
}

std::string of_unfinished_sweep(const ReportData& data) {
  const auto all = integer_at(data.manifest, {"runs"});
  const auto here = static_cast<std::int64_t>(data.sweep_runs.size());
  if (!all || here >= *all) return "";
  return fmt::format(" Of a sweep of {} runs {} are there.", grouped(*all), grouped(here));
}

std::string bounds_are_dashed(const ReportData& data) {
  std::vector<std::string> names;
  for (const auto& name : policy_names(data)) {
    const bool drawn = !data.sweep_runs.empty() || !runs_of(data, name).empty();
    if (drawn && is_bound(data, name)) names.push_back(name);
  }
  if (names.empty()) return "";
  return fmt::format(" Thin and dashed: {}, {}.", list_in_words(names),
                     names.size() == 1 ? "an upper bound" : "upper bounds");
}

std::string without_run(const ReportData& data) {
  std::vector<std::string> names;
  for (const auto& entry : items_of(data.comparison, "policies")) {
    if (!runs_of(data, text_at(entry, {"policy"})).empty()) continue;
    names.push_back(text_at(entry, {"policy"}));
  }
  return names.empty() ? "" : " Without a run: " + list_in_words(names) + ".";
}

std::string of_first_replication(const ReportData& data) {
  const auto count = replications_of(data);
  return count < 2 ? "" : fmt::format(" The first of {} replications.", count);
}

}  // namespace bethany
