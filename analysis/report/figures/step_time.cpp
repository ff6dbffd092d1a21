#include <fmt/format.h>

#include "analysis/number_text.h"
#include "analysis/report/figure_parts.h"
#include "sim/base/quantities.h"

namespace bethany {
namespace {

std::optional<Chart> make(const ReportData& data) {
  std::vector<Distribution> distributions;
  std::vector<std::string> sentences;
  for (const auto& kept : data.kept) {
    distributions.push_back({kept.policy, kept.series->disruptions.step_time_ns});
    const CountedValues& times = distributions.back().values;
    if (times.count() == 0) continue;
    const auto quantile = [&](double share) {
      return rounded_text(Duration(static_cast<std::int64_t>(times.quantile(share))));
    };
    sentences.push_back(fmt::format("half of {}'s {} steps take at most {}, 95 % at most {}",
                                    kept.policy, grouped(times.count()), quantile(0.5),
                                    quantile(0.95)));
  }
  auto chart = ecdf_chart(data, "step-time", "How long steps take", {"step_time_s", "step time, s"},
                          1e9, distributions);
  if (!chart) return std::nullopt;
  chart->x.from_zero = false;
  chart->caption =
      "Committed steps, kept or rolled back later, by policy: at each time, the share of steps "
      "that "
      "took at most so long. With fewer nodes a step of the same samples takes longer, and a step "
      "of fewer samples may not." +
      chart->caption + without_run(data) + of_first_replication(data);
  chart->alternative = sentences_of(sentences);
  return chart;
}

const bool registered = add_chart({
    .name = "step-time",
    .order = 75,
    .summary = "distribution of step times, by policy",
    .make = make,
});

}  // namespace
}  // namespace bethany
