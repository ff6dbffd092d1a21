#include <cmath>
#include <set>

#include "tests/analysis/report_samples.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;
using namespace bethany::test;

namespace {

/// What every drawing relies on.
void check_sound(const Chart& chart, const std::string& maker) {
  INFO(maker);
  CHECK(chart.id == maker);
  CHECK(chart.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
  CHECK_FALSE(chart.title.empty());
  REQUIRE_FALSE(chart.caption.empty());
  REQUIRE_FALSE(chart.alternative.empty());
  for (const auto* text : {&chart.caption, &chart.alternative}) {
    INFO(*text);
    CHECK(text->back() == '.');
    CHECK(text->find("  ") == std::string::npos);
    CHECK(text->find("nan") == std::string::npos);
    CHECK(text->find("{}") == std::string::npos);
  }
  CHECK_FALSE(chart.x.title.empty());
  REQUIRE_FALSE(chart.layers.empty());
  for (const auto& data : chart.data) {
    CHECK_FALSE(data.rows.empty());
    std::set<std::string> names;
    for (const auto& one : data.columns) {
      CHECK(names.insert(one.name).second);
      CHECK(one.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
            std::string::npos);
      CHECK_FALSE(one.title.empty());
    }
    for (const auto& row : data.rows) {
      REQUIRE(row.size() == data.columns.size());
      for (const auto& cell : row) {
        if (const auto* number = std::get_if<double>(&cell)) CHECK(std::isfinite(*number));
      }
    }
  }
  for (const auto& layer : chart.layers) {
    REQUIRE(layer.data < chart.data.size());
    for (const auto& field : {layer.x, layer.x2, layer.y, layer.y2, layer.colour}) {
      if (!field.empty()) column(chart.data[layer.data], field);
    }
  }
}

}  // namespace

TEST_CASE("every figure is sound, whatever the data") {
  auto priced = compared({lazarus_run(), ds_run()});
  for (auto& entry : priced.comparison.member("policies").items) {
    entry.member("metrics").member("usd_per_million_tokens").member("mean") = JsonNode::of(2.5);
  }
  auto pairs = replicated({{"a", {1, 2, 3}}, {"b", {2, -1, 4}}});
  pairs.comparison.member("comparison") = JsonNode::array_of(
      {object(R"({"policy": "b", "baseline": "a", "goodput_ratio": 2, "low": 1.5, "high": 2.5,
                  "method": "paired t", "verdict": "better"})")});
  ReportData validated;
  validated.validation = object(R"({
      "phases": [{"phase": "expert", "in_domain": true, "median_ape": 0.02, "p90_ape": 0.05,
                  "worst_ape": 0.2},
                 {"phase": "expert", "in_domain": false, "median_ape": null}],
      "steps": [{"what": "step", "in_domain": true, "median_ape": 0.03}],
      "recovery": [], "recoveries": [], "runs": []})");
  std::set<std::string> seen;
  const std::vector<ReportData> all = {compared({lazarus_run()}),
                                       compared({ideal_run(), lazarus_run(true), ds_run()}),
                                       compared({empty_run()}),
                                       priced,
                                       pairs,
                                       two_axes(),
                                       one_axis(),
                                       validated,
                                       ReportData{}};
  for (const auto& data : all) {
    for (const auto& maker : charts_in_order()) {
      const auto chart = maker.make(data);
      if (!chart) continue;
      check_sound(*chart, maker.name);
      seen.insert(maker.name);
    }
  }
  for (const auto& maker : charts_in_order()) {
    INFO(maker.name);
    CHECK(seen.count(maker.name) == 1);
    CHECK_FALSE(maker.summary.empty());
  }
  CHECK(charts_in_order().front().name == "throughput");
}
