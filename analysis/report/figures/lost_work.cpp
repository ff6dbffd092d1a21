#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"

namespace bethany {
namespace {

constexpr double kNodeMinute = 60e9;

std::optional<Chart> make(const ReportData& data) {
  std::vector<Distribution> distributions;
  std::vector<std::string> sentences;
  Int128 other = 0;
  for (const auto& kept : data.kept) {
    const Disruptions& found = kept.series->disruptions;
    other += found.other_node_ns;
    distributions.push_back({kept.policy, found.lost_node_ns});
    const auto count = static_cast<double>(found.lost_node_ns.count());
    if (count == 0) continue;
    const double tokens = static_cast<double>(found.lost_samples.sum()) *
                          static_cast<double>(kept.series->started.tokens_per_sample);
    sentences.push_back(fmt::format(
        "{} loses {} node-minutes and {} committed tokens by disruption on average", kept.policy,
        rounded(static_cast<double>(found.lost_node_ns.sum()) / kNodeMinute / count),
        short_number(tokens / count)));
  }
  auto chart = ecdf_chart(data, "lost-work", "Work lost by disruption",
                          {"lost_node_min", "work lost, node-minutes"}, kNodeMinute, distributions);
  if (!chart) return std::nullopt;
  chart->caption =
      "The step in flight and the steps rolled back for a disruption, in node time, by policy: at "
      "each amount, the share of disruptions that lost at most so much." +
      chart->caption;
  if (other > 0) {
    chart->caption += fmt::format(" Not in it: {} node-minutes discarded without a loss.",
                                  rounded(static_cast<double>(other) / kNodeMinute));
  }
  chart->caption += without_run(data) + of_first_replication(data);
  chart->alternative = sentences_of(sentences);
  return chart;
}

const bool registered = add_chart({
    .name = "lost-work",
    .order = 70,
    .summary = "distribution of the work lost by disruption, by policy",
    .make = make,
});

}  // namespace
}  // namespace bethany
