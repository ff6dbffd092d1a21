#include <fmt/format.h>

#include <map>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"

namespace bethany {
namespace {

/// Goodput of a policy by replication.
std::map<std::int64_t, double> goodput_of(const ReportData& data, const std::string& policy) {
  std::map<std::int64_t, double> values;
  for (const auto* run : runs_of(data, policy)) {
    const auto goodput = number_at(*run, {"goodput_tokens_per_s"});
    if (goodput) values[integer_at(*run, {"replication"}).value_or(0)] = *goodput;
  }
  return values;
}

std::optional<Chart> make(const ReportData& data) {
  if (replications_of(data) < 2) return std::nullopt;
  Chart chart = policy_chart(data, "paired-differences", "Goodput against the baseline, by trace");
  chart.x = {"goodput by that of the baseline on the same trace", ScaleKind::linear, false};
  chart.y = {"policy", ScaleKind::category};
  ChartData pairs{{{"policy", "policy"},
                   {"replication", "replication"},
                   {"goodput_ratio", "goodput by that of the baseline"}},
                  {}};
  ChartData means{{{"policy", "policy"},
                   {"goodput_ratio", "mean ratio"},
                   {"low", "low end"},
                   {"high", "high end"},
                   {"method", "method"},
                   {"verdict", "verdict"}},
                  {}};
  std::vector<std::string> sentences;
  std::string baseline;
  std::int64_t unpaired = 0;
  for (const auto& row : data.comparison.find("comparison")->items) {
    const auto policy = text_at(row, {"policy"});
    baseline = text_at(row, {"baseline"});
    const auto base = goodput_of(data, baseline);
    const auto own = goodput_of(data, policy);
    if (own.empty()) continue;
    std::int64_t above = 0;
    std::int64_t paired = 0;
    for (const auto& [replication, goodput] : own) {
      const auto other = base.find(replication);
      if (other == base.end() || other->second <= 0) continue;
      ++paired;
      if (goodput > other->second) ++above;
      pairs.rows.push_back({policy, static_cast<double>(replication), goodput / other->second});
    }
    unpaired += replications_of(data) - paired;
    const auto low = number_at(row, {"low"});
    const auto high = number_at(row, {"high"});
    const auto mean = number_at(row, {"goodput_ratio"});
    if (paired == 0 || !low || !high || !mean) continue;
    means.rows.push_back(
        {policy, *mean, *low, *high, text_at(row, {"method"}), text_at(row, {"verdict"})});
    sentences.push_back(fmt::format(
        "{} has {:.3g} times the goodput of {} [{:.3g}, {:.3g}], more on "
        "{} of {} traces: {}",
        policy, *mean, baseline, *low, *high, above, paired, text_at(row, {"verdict"})));
  }
  if (pairs.rows.empty()) return std::nullopt;
  chart.caption = fmt::format(
      "A faint dot is a replication: both policies met the same trace and load. Right of the line "
      "a "
      "policy has more goodput than {}. Black: the mean ratio and its interval ({}).",
      baseline, means.rows.empty() ? "none" : std::get<std::string>(means.rows.front()[4]));
  if (unpaired > 0) {
    chart.caption += fmt::format(
        " Left out: {} pairs in which one policy has no run or the baseline commits nothing.",
        grouped(unpaired));
  }
  chart.caption += without_run(data);
  chart.alternative = sentences_of(sentences);
  const ChartData one{{{"goodput_ratio", "equal"}}, {{1.0}}};
  chart.data = {std::move(pairs), std::move(means), one};
  chart.layers = {
      {.mark = Mark::rule, .data = 2, .x = "goodput_ratio"},
      {.mark = Mark::dot, .x = "goodput_ratio", .y = "policy", .colour = "policy", .faint = true},
      {.mark = Mark::interval, .data = 1, .x = "low", .x2 = "high", .y = "policy"},
      {.mark = Mark::dot, .data = 1, .x = "goodput_ratio", .y = "policy"}};
  return chart;
}

const bool registered = add_chart({
    .name = "paired-differences",
    .order = 80,
    .summary = "goodput ratio to the baseline by replication, with the interval of the mean",
    .make = make,
});

}  // namespace
}  // namespace bethany
