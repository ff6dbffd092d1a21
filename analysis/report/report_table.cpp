#include "analysis/report/report_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "analysis/metric.h"
#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "sim/base/statistics.h"

namespace bethany {
namespace {

enum class Better { high, low, neither };
enum class Shown { rate, share, count };

struct MetricColumn {
  const char* metric;
  const char* title;
  Better better;
  Shown shown;
};

constexpr MetricColumn kGoodput = {"goodput_tokens_per_s", "tokens/s", Better::high, Shown::rate};

constexpr std::array<MetricColumn, 10> kColumns = {{
    {"ettr", "ETTR", Better::high, Shown::share},
    {"disruptions", "disruptions", Better::neither, Shown::count},
    {"recovery_observed", "recovered", Better::high, Shown::share},
    {"recovery_predicted", "predicted", Better::high, Shown::share},
    {"guaranteed_losses_min", "guaranteed losses", Better::high, Shown::count},
    {"blocked_share", "blocked", Better::low, Shown::share},
    {"discarded_share", "discarded", Better::low, Shown::share},
    {"unavailable_share", "unavailable", Better::low, Shown::share},
    {"cost_usd", "USD", Better::neither, Shown::rate},
    {"usd_per_million_tokens", "USD/Mtoken", Better::low, Shown::rate},
}};

std::string number_text(double value, Shown shown) {
  if (shown == Shown::share) return percent(value);
  if (shown == Shown::count && value == std::round(value)) {
    return grouped(static_cast<std::int64_t>(value));
  }
  return rounded(value);
}

std::string with_interval(double value, std::optional<double> low, std::optional<double> high,
                          Shown shown) {
  std::string text = number_text(value, shown);
  if (!low || !high) return text;
  if (shown == Shown::share) {
    return text + fmt::format(" [{:.1f}, {:.1f}]", *low * 100, *high * 100);
  }
  return text + fmt::format(" [{}, {}]", rounded(*low), rounded(*high));
}

/// Recoveries of all of a policy's runs together, as the table of `compare` has them: each
/// disruption counts alike.
struct Recoveries {
  std::int64_t decided = 0;
  std::int64_t without_restart = 0;
  std::optional<double> predicted = 0;  // sum over the decided ones; empty when one is not known
};

Recoveries recoveries_of(const ReportData& data, const std::string& policy) {
  Recoveries all;
  for (const auto* run : runs_of(data, policy)) {
    const auto count = [&](const char* key) {
      return integer_at(*run, {"recovery", key}).value_or(0);
    };
    const std::int64_t kept = count("in_place") + count("regroup");
    const std::int64_t decided = kept + count("restart");
    all.without_restart += kept;
    all.decided += decided;
    if (decided == 0) continue;
    const auto predicted = number_at(*run, {"recovery", "predicted"});
    if (!predicted) all.predicted.reset();
    if (all.predicted) *all.predicted += *predicted * static_cast<double>(decided);
  }
  return all;
}

ReportTable::Cell recovery_cell(const ReportData& data, const std::string& policy, bool observed) {
  const Recoveries all = recoveries_of(data, policy);
  if (all.decided == 0) return {"-", {}, false};
  const auto decided = static_cast<double>(all.decided);
  if (!observed) {
    if (!all.predicted) return {"-", {}, false};
    const double share = *all.predicted / decided;
    return {percent(share), share, false};
  }
  const double share = static_cast<double>(all.without_restart) / decided;
  const Interval interval = clopper_pearson(all.without_restart, all.decided);
  return {with_interval(share, interval.low, interval.high, Shown::share), share, false};
}

ReportTable::Cell metric_cell(const ReportData& data, const JsonNode& entry,
                              const MetricColumn& column) {
  const std::string_view name = column.metric;
  if (name == "recovery_observed" || name == "recovery_predicted") {
    return recovery_cell(data, text_at(entry, {"policy"}), name == "recovery_observed");
  }
  const auto mean = number_at(entry, {"metrics", column.metric, "mean"});
  if (!mean) return {"-", {}, false};
  if (name != kGoodput.metric) return {number_text(*mean, column.shown), mean, false};
  const auto low = number_at(entry, {"metrics", column.metric, "low"});
  const auto high = number_at(entry, {"metrics", column.metric, "high"});
  return {with_interval(*mean, low, high, column.shown), mean, false};
}

const JsonNode* comparison_of(const ReportData& data, const std::string& policy) {
  for (const auto& comparison : data.comparison.find("comparison")->items) {
    if (text_at(comparison, {"policy"}) == policy) return &comparison;
  }
  return nullptr;
}

std::string baseline_of(const ReportData& data) {
  const auto& comparisons = data.comparison.find("comparison")->items;
  return comparisons.empty() ? "" : text_at(comparisons.front(), {"baseline"});
}

ReportTable::Cell ratio_cell(const ReportData& data, const std::string& policy) {
  if (policy == baseline_of(data)) return {"1", 1.0, false};
  const auto* comparison = comparison_of(data, policy);
  if (comparison == nullptr) return {"-", {}, false};
  const auto ratio = number_at(*comparison, {"goodput_ratio"});
  if (!ratio) return {"-", {}, false};
  const auto low = number_at(*comparison, {"low"});
  const auto high = number_at(*comparison, {"high"});
  std::string text = fmt::format("{:.3f}", *ratio);
  if (low && high) text += fmt::format(" [{:.3f}, {:.3f}]", *low, *high);
  return {text, ratio, false};
}

/// Whether any policy has a value: a column of dashes says nothing.
bool any_value(const ReportData& data, const char* metric) {
  const auto& policies = data.comparison.find("policies")->items;
  return std::any_of(policies.begin(), policies.end(), [&](const JsonNode& entry) {
    return number_at(entry, {"metrics", metric, "mean"}).has_value();
  });
}

/// Marks the best values of a column, unless all are equal.
void mark_best(ReportTable& table, std::size_t column, Better better) {
  std::optional<double> best;
  std::optional<double> worst;
  const auto value_in = [&](const ReportTable::Row& row) {
    return row.is_bound || row.is_remark ? std::nullopt : row.cells[column].value;
  };
  for (const auto& row : table.rows) {
    const auto value = value_in(row);
    if (!value) continue;
    const double size = better == Better::low ? -*value : *value;
    best = std::max(best.value_or(size), size);
    worst = std::min(worst.value_or(size), size);
  }
  if (better == Better::neither || !best || *best == *worst) return;
  const auto shown = [&](const ReportTable::Row& row) {
    const auto& text = row.cells[column].text;
    return text.substr(0, text.find(" ["));
  };
  std::string best_text;
  for (const auto& row : table.rows) {
    const auto value = value_in(row);
    if (value && (better == Better::low ? -*value : *value) == *best) best_text = shown(row);
  }
  // What reads the same is as good.
  for (auto& row : table.rows) {
    if (value_in(row)) row.cells[column].best = shown(row) == best_text;
  }
}

ReportTable comparison_table(const ReportData& data) {
  ReportTable table;
  std::vector<MetricColumn> metric_columns;
  const std::string baseline = baseline_of(data);
  table.columns = {{"policy", "", false},
                   {kGoodput.title, metric(kGoodput.metric).definition, true}};
  if (!baseline.empty()) {
    table.columns.push_back({"vs " + baseline, "Goodput by that of " + baseline + ".", true});
  }
  for (const auto& column : kColumns) {
    if (!any_value(data, column.metric)) continue;
    metric_columns.push_back(column);
    table.columns.push_back({column.title, metric(column.metric).definition, true});
  }
  for (const auto& entry : data.comparison.find("policies")->items) {
    const std::string policy = text_at(entry, {"policy"});
    ReportTable::Row& row = table.rows.emplace_back();
    row.is_bound = flag_at(entry, {"bound"});
    row.cells.push_back({policy, {}, false});
    if (!flag_at(entry, {"feasible"})) {
      row.is_remark = true;
      row.cells.push_back({"no run: " + text_at(entry, {"reason"}), {}, false});
      continue;
    }
    row.cells.push_back(metric_cell(data, entry, kGoodput));
    if (!baseline.empty()) row.cells.push_back(ratio_cell(data, policy));
    for (const auto& column : metric_columns) {
      row.cells.push_back(metric_cell(data, entry, column));
    }
  }
  mark_best(table, 1, kGoodput.better);
  const std::size_t before = table.columns.size() - metric_columns.size();
  for (std::size_t i = 0; i < metric_columns.size(); ++i) {
    mark_best(table, before + i, metric_columns[i].better);
  }
  return table;
}

std::string scalar_text(const JsonNode& value) {
  return value.kind == JsonNode::Kind::string ? value.text : to_line(value);
}

/// The runs of a sweep that differ only in the replication.
struct Point {
  const JsonNode* assignment = nullptr;
  std::int64_t runs = 0;
  std::int64_t ok = 0;
  double goodput = 0;  // sums over those that are ok
  double ettr = 0;
  std::string reason;
};

std::vector<Point> points_of(const ReportData& data) {
  std::vector<Point> points;
  std::map<std::string, std::size_t> places;
  for (const auto& run : data.sweep_runs) {
    const auto* assignment = run.find("assignment");
    const auto [place, is_new] = places.emplace(to_line(*assignment), points.size());
    if (is_new) points.push_back({.assignment = assignment});
    Point& point = points[place->second];
    ++point.runs;
    const auto goodput = number_at(run, {"result", "goodput_tokens_per_s"});
    if (text_at(run, {"status"}) == "ok" && goodput) {
      ++point.ok;
      point.goodput += *goodput;
      point.ettr += number_at(run, {"result", "ettr"}).value_or(0);
    } else if (point.reason.empty()) {
      point.reason = text_at(run, {"status"}) + ": " + text_at(run, {"reason"});
    }
  }
  return points;
}

ReportTable sweep_table(const ReportData& data) {
  ReportTable table;
  std::vector<std::string> keys;
  const auto points = points_of(data);
  for (const auto& point : points) {
    for (const auto& member : point.assignment->members) {
      if (std::find(keys.begin(), keys.end(), member.key) == keys.end()) keys.push_back(member.key);
    }
  }
  for (const auto& key : keys) table.columns.push_back({key, "", false});
  const std::size_t goodput_column = table.columns.size();
  table.columns.push_back({kGoodput.title, metric(kGoodput.metric).definition, true});
  table.columns.push_back({"ETTR", metric("ettr").definition, true});
  table.columns.push_back({"runs", "Runs with a result, of all.", true});
  table.columns.push_back({"remark", "", false});
  for (const auto& point : points) {
    ReportTable::Row& row = table.rows.emplace_back();
    for (const auto& key : keys) {
      const auto* value = point.assignment->find(key);
      row.cells.push_back({value == nullptr ? "-" : scalar_text(*value),
                           number_at(*point.assignment, {key}), false});
    }
    const auto count = static_cast<double>(point.ok);
    const bool any = point.ok > 0;
    row.cells.push_back({any ? rounded(point.goodput / count) : "-",
                         any ? std::optional(point.goodput / count) : std::nullopt, false});
    row.cells.push_back({any ? percent(point.ettr / count) : "-",
                         any ? std::optional(point.ettr / count) : std::nullopt, false});
    row.cells.push_back({fmt::format("{} of {}", point.ok, point.runs), count, false});
    row.cells.push_back({point.reason, {}, false});
  }
  mark_best(table, goodput_column, Better::high);
  mark_best(table, goodput_column + 1, Better::high);
  return table;
}

}  // namespace

ReportTable policies_table(const ReportData& data) {
  return data.comparison.kind == JsonNode::Kind::null ? sweep_table(data) : comparison_table(data);
}

ReportTable pairs_table(const ReportData& data) {
  ReportTable table;
  if (data.comparison.kind == JsonNode::Kind::null || replications_of(data) == 1) return table;
  table.columns = {{"policy", "", false},
                   {"baseline", "", false},
                   {"goodput ratio", "Mean goodput by that of the baseline.", true},
                   {"95 % interval", "Of the ratio, from pairs on common traces.", true},
                   {"bootstrap", "The same interval by resampling the pairs.", true},
                   {"ahead in", "Traces on which the policy has more goodput.", true},
                   {"ratio of p10", "Of the goodput that nine traces of ten exceed.", true},
                   {"verdict", "", false},
                   {"method", "", false}};
  for (const auto& pair : data.comparison.find("comparison")->items) {
    const auto interval = [&](const auto& low, const auto& high) {
      return low && high ? fmt::format("{:.3f} to {:.3f}", *low, *high) : std::string("-");
    };
    const auto number = [&](const char* key, const char* format) {
      const auto value = number_at(pair, {key});
      return ReportTable::Cell{value ? fmt::format(fmt::runtime(format), *value) : "-", value,
                               false};
    };
    ReportTable::Row& row = table.rows.emplace_back();
    row.cells = {{text_at(pair, {"policy"}), {}, false}, {text_at(pair, {"baseline"}), {}, false}};
    row.is_bound = is_bound(data, row.cells[0].text);
    row.cells.push_back(number("goodput_ratio", "{:.3f}"));
    const auto low = number_at(pair, {"low"});
    row.cells.push_back({interval(low, number_at(pair, {"high"})), low, false});
    const auto boot = number_at(pair, {"bootstrap", "low"});
    row.cells.push_back({interval(boot, number_at(pair, {"bootstrap", "high"})), boot, false});
    ReportTable::Cell wins = number("wins", "{}");
    if (wins.value) {
      wins.text += fmt::format(" of {}", integer_at(pair, {"replications"}).value_or(0));
    }
    row.cells.push_back(std::move(wins));
    row.cells.push_back(number("p10_ratio", "{:.3f}"));
    row.cells.push_back({text_at(pair, {"verdict"}), {}, false});
    row.cells.push_back({text_at(pair, {"method"}), {}, false});
  }
  return table;
}

ReportTable metrics_of_policies(const ReportData& data) {
  ReportTable table;
  const auto* policies = data.comparison.find("policies");
  if (policies == nullptr) return table;
  const std::vector<std::string> keys =
      replications_of(data) > 1
          ? std::vector<std::string>{"mean", "low", "high", "p10", "p50", "p90"}
          : std::vector<std::string>{"mean"};
  table.columns = {{"policy", "", false}, {"metric", "", false}};
  for (const auto& key : keys) {
    table.columns.push_back({keys.size() == 1 ? "value" : key, "", true});
  }
  for (const auto& entry : policies->items) {
    const auto* values = entry.find("metrics");
    if (!flag_at(entry, {"feasible"}) || values == nullptr) continue;
    for (const auto& value : values->members) {
      ReportTable::Row& row = table.rows.emplace_back();
      row.cells = {{text_at(entry, {"policy"}), {}, false}, {value.key, {}, false}};
      for (const auto& key : keys) {
        const auto number = number_at(value.value, {key});
        row.cells.push_back({number ? fmt::format("{:.6g}", *number) : "-", number, false});
      }
    }
  }
  return table;
}

Table plain_table(const ReportTable& table) {
  std::vector<Table::Column> columns;
  for (const auto& column : table.columns) {
    columns.push_back({column.title, column.is_number ? Align::right : Align::left});
  }
  Table plain(std::move(columns));
  for (const auto& row : table.rows) {
    if (row.is_remark) {
      plain.add_note(row.cells[0].text, row.cells[1].text);
      continue;
    }
    std::vector<std::string> cells;
    for (const auto& cell : row.cells) cells.push_back(cell.text + (cell.best ? " ★" : ""));
    if (row.is_bound) cells[0] += " (bound)";
    plain.add(std::move(cells));
  }
  return plain;
}

}  // namespace bethany
