#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

struct Point {
  std::string policy;
  double usd = 0;    // by million tokens
  double hours = 0;  // by 10^9 tokens

  bool dominates(const Point& other) const {
    return usd <= other.usd && hours <= other.hours && (usd < other.usd || hours < other.hours);
  }
};

std::optional<Chart> make(const ReportData& data) {
  const auto* entries = data.comparison.find("policies");
  if (entries == nullptr) return std::nullopt;
  std::vector<Point> points;
  for (const auto& entry : entries->items) {
    const auto usd = number_at(entry, {"metrics", "usd_per_million_tokens", "mean"});
    const auto goodput = number_at(entry, {"metrics", "goodput_tokens_per_s", "mean"});
    if (!usd || !goodput || *goodput <= 0 || flag_at(entry, {"bound"})) continue;
    points.push_back({text_at(entry, {"policy"}), *usd, 1e9 / *goodput / 3600});
  }
  if (points.empty()) return std::nullopt;
  Chart chart = policy_chart(data, "cost-time", "Cost against time");
  chart.x = {"hours for a billion tokens"};
  chart.y = {"USD for a million tokens"};
  const std::vector<ChartData::Column> columns = {
      {"policy", "policy"},
      {"hours_per_gtoken", "hours for a billion tokens"},
      {"usd_per_mtoken", "USD for a million tokens"}};
  ChartData best{columns, {}};
  ChartData dominated{columns, {}};
  std::vector<std::string> names;
  for (const auto& point : points) {
    const bool worse = std::any_of(points.begin(), points.end(),
                                   [&](const Point& other) { return other.dominates(point); });
    (worse ? dominated : best).rows.push_back({point.policy, point.hours, point.usd});
    if (!worse) names.push_back(point.policy);
  }
  chart.caption =
      "Left is faster, down is cheaper; both are means over the replications. Faint: another "
      "policy "
      "is at least as good in both. The cost is node hours times the price of the scenario; places "
      "without a machine are not paid for. Upper bounds are left out." +
      without_run(data);
  chart.alternative =
      fmt::format("No other policy is both faster and cheaper than {}.", list_in_words(names));
  for (auto* rows : {&best, &dominated}) {
    if (rows->rows.empty()) continue;
    chart.layers.push_back({.mark = Mark::dot,
                            .data = chart.data.size(),
                            .x = "hours_per_gtoken",
                            .y = "usd_per_mtoken",
                            .colour = "policy",
                            .faint = rows == &dominated});
    chart.data.push_back(std::move(*rows));
  }
  return chart;
}

const bool registered = add_chart({
    .name = "cost-time",
    .order = 90,
    .summary = "cost of tokens against the time they take, by policy; needs a price",
    .make = make,
});

}  // namespace
}  // namespace bethany
