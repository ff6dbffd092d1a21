#include <fmt/format.h>

#include "analysis/report/chart.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/json_values.h"

namespace bethany {
namespace {

std::optional<Chart> make(const ReportData& data) {
  if (data.validation.kind == JsonNode::Kind::null) return std::nullopt;
  Chart chart;
  chart.id = "validation-errors";
  chart.title = "Predicted beside measured: errors";
  chart.x = {"|predicted / measured - 1|, %"};
  chart.y = {"what", ScaleKind::category};
  chart.colour_title = "error";
  chart.colour_order = {"median", "P90", "worst"};
  ChartData errors{
      {{"what", "what"}, {"quantile", "error"}, {"percent", "|predicted / measured - 1|, %"}}, {}};
  std::vector<std::string> sentences;
  for (const auto* list : {"phases", "steps", "recovery", "recoveries", "runs"}) {
    for (const auto& row : items_of(data.validation, list)) {
      std::string name;
      for (const auto* key : {"phase", "stage", "what"}) name += text_at(row, {key});
      if (!flag_at(row, {"in_domain"})) name += " (outside)";
      for (const auto& [quantile, key] :
           {std::pair{"median", "median_ape"}, std::pair{"P90", "p90_ape"},
            std::pair{"worst", "worst_ape"}}) {
        const auto value = number_at(row, {key});
        if (!value) continue;
        errors.rows.push_back({name, std::string(quantile), 100 * *value});
        if (key == std::string_view("median_ape")) {
          sentences.push_back(fmt::format("{} {:.1f} %", name, 100 * *value));
        }
      }
    }
  }
  if (errors.rows.empty()) return std::nullopt;
  chart.caption =
      "Of the terms of a step, whole steps, stages of recoveries and other changes, recoveries "
      "from the loss to the next step, and whole runs. (outside): the profile was not measured in "
      "that range. No point is left out.";
  chart.alternative = "Median errors: " + sentences_of(sentences);
  chart.layers.push_back({.mark = Mark::dot, .x = "percent", .y = "what", .colour = "quantile"});
  chart.data.push_back(std::move(errors));
  return chart;
}

const bool registered = add_chart({
    .name = "validation-errors",
    .order = 90,
    .summary = "errors of predictions on real machines, of validate -o",
    .make = make,
});

}  // namespace
}  // namespace bethany
