#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"

namespace bethany {
namespace {

std::optional<Chart> make(const ReportData& data) {
  std::vector<Distribution> distributions;
  std::vector<std::string> sentences;
  std::int64_t unfinished = 0;
  for (const auto& kept : data.kept) {
    const Disruptions& found = kept.series->disruptions;
    unfinished += found.unfinished;
    distributions.push_back({kept.policy, found.time_ns()});
    const CountedValues& times = distributions.back().values;
    if (times.count() == 0) continue;
    const auto quantile = [&](double share) {
      return rounded_text(Duration(static_cast<std::int64_t>(times.quantile(share))));
    };
    sentences.push_back(fmt::format("half of {}'s {} recoveries take at most {}, 95 % at most {}",
                                    kept.policy, grouped(times.count()), quantile(0.5),
                                    quantile(0.95)));
  }
  auto chart = ecdf_chart(data, "recovery-time", "How long recoveries take",
                          {"recovery_time_s", "recovery time, s"}, 1e9, distributions);
  if (!chart) return std::nullopt;
  chart->caption =
      "From a loss of members to the next step, by policy: at each time, the share of recoveries "
      "that took at most so long. Losses met on the way belong to the same recovery." +
      chart->caption;
  if (unfinished > 0) {
    chart->caption += fmt::format(" Left out: {} not finished at the end of the run.", unfinished);
  }
  chart->caption += without_run(data) + of_first_replication(data);
  chart->alternative = sentences_of(sentences);
  return chart;
}

const bool registered = add_chart({
    .name = "recovery-time",
    .order = 60,
    .summary = "distribution of the time from a loss to the next step, by policy",
    .make = make,
});

}  // namespace
}  // namespace bethany
