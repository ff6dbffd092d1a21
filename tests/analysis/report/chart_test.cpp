#include <fmt/format.h>

#include <cmath>
#include <regex>
#include <set>

#include "analysis/report/chart_frame.h"
#include "analysis/report/chart_spec.h"
#include "analysis/report/chart_svg.h"
#include "tests/analysis/report/sample_charts.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The numbers that a pattern with groups finds, match after match.
std::vector<std::vector<double>> numbers(const std::string& text, const std::string& pattern) {
  std::vector<std::vector<double>> all;
  const std::regex regex(pattern);
  for (auto it = std::sregex_iterator(text.begin(), text.end(), regex);
       it != std::sregex_iterator(); ++it) {
    auto& groups = all.emplace_back();
    for (std::size_t i = 1; i < it->size(); ++i) groups.push_back(std::stod((*it)[i].str()));
  }
  return all;
}

Chart dots(ScaleKind scale, const std::vector<double>& values) {
  Chart chart;
  chart.id = "dots";
  chart.x = {.title = "x"};
  chart.y = {.title = "y", .scale = scale};
  ChartData data{{{"x", "x"}, {"y", "y"}}, {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    data.rows.push_back({static_cast<double>(i), values[i]});
  }
  chart.data = {data};
  chart.layers = {{.mark = Mark::dot, .x = "x", .y = "y"}};
  return chart;
}

void collect_keys(const JsonNode& node, std::set<std::string>& keys) {
  for (const auto& member : node.members) {
    keys.insert(member.key);
    collect_keys(member.value, keys);
  }
  for (const auto& item : node.items) collect_keys(item, keys);
}

}  // namespace

TEST_CASE("ticks are round numbers that hold the data") {
  const auto ticks = [](std::vector<double> values, ScaleKind scale = ScaleKind::linear) {
    return frame_of(prepared(dots(scale, values))).y;
  };
  CHECK(ticks({0, 1}).ticks == std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1});
  CHECK(ticks({3, 97}).ticks == std::vector<double>{0, 20, 40, 60, 80, 100});
  CHECK(ticks({-3, 4}).ticks == std::vector<double>{-4, -2, 0, 2, 4});
  CHECK(ticks({0}).ticks == std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1});
  CHECK(ticks({1, 1000}, ScaleKind::logarithmic).ticks == std::vector<double>{1, 10, 100, 1000});
  CHECK(ticks({0.1, 0.3}).low == 0);
  CHECK_FALSE(std::signbit(ticks({0, 1}).ticks.front()));
  for (const auto& values : {std::vector<double>{}, {1e-12}, {1e12, 2e12}, {-5, -5}}) {
    const auto axis = ticks(values);
    CHECK(axis.low < axis.high);
    for (const double value : values) CHECK((axis.low <= value && value <= axis.high));
  }
}

TEST_CASE("labels are short") {
  const FrameAxis thousands{.high = 60'000};
  CHECK(tick_text(thousands, 20'000) == "20,000");
  CHECK(tick_text(thousands, 0) == "0");
  const FrameAxis millions{.high = 3e6};
  CHECK(tick_text(millions, 1.5e6) == "1.5M");
  CHECK(tick_text({}, 0.2) == "0.2");
}

TEST_CASE("32 categories differ in colour or dash") {
  std::set<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t i = 0; i < 32; ++i) pairs.emplace(colour_index(i), dash_index(i));
  CHECK(pairs.size() == 32);
}

TEST_CASE("bars of one place stack in row order, and fill what their values say") {
  const Chart chart = prepared(samples::stacked_bars());
  const auto& data = chart.data[0];
  REQUIRE(chart.layers[0].x == "stack_to_0");
  REQUIRE(chart.layers[0].x2 == "stack_from_0");
  const auto from = column_of(data, "stack_from_0");
  const auto to = column_of(data, "stack_to_0");
  CHECK(number_in(cell_at(data, 0, from)) == 0.0);
  CHECK(number_in(cell_at(data, 1, from)) == 0.8);
  CHECK(*number_in(cell_at(data, 2, to)) == Approx(1));
  CHECK(number_in(cell_at(data, 3, from)) == 0.0);  // the next policy begins anew
  const auto boxes = numbers(chart_svg(samples::stacked_bars()),
                             "<rect x=\"([0-9.]+)\" y=\"([0-9.]+)\" width=\"([0-9.]+)\" "
                             "height=\"([0-9.]+)\" fill=\"[^\"]+\"/>");
  REQUIRE(boxes.size() == 4 + 7);  // the legend's first
  const auto width = [&](std::size_t i) { return boxes[4 + i][2]; };
  CHECK(width(0) / width(3) == Approx(0.8 / 0.55).epsilon(0.002));
  CHECK(width(0) + width(1) + width(2) ==
        Approx(width(3) + width(4) + width(5) + width(6)).margin(0.4));
  CHECK(boxes[5][0] == Approx(boxes[4][0] + width(0)).margin(0.11));
}

TEST_CASE("bars below zero stack downwards") {
  Chart chart = dots(ScaleKind::linear, {2, -3});
  chart.x.scale = ScaleKind::category;
  chart.layers[0].mark = Mark::bar;
  chart.data[0].rows = {
      {std::string("a"), 2.0}, {std::string("a"), -3.0}, {std::string("a"), -1.0}};
  const Chart made = prepared(chart);
  const auto to = column_of(made.data[0], "stack_to_0");
  CHECK(number_in(cell_at(made.data[0], 0, to)) == 2.0);
  CHECK(number_in(cell_at(made.data[0], 1, to)) == -3.0);
  CHECK(number_in(cell_at(made.data[0], 2, to)) == -4.0);
}

TEST_CASE("on a logarithmic axis equal ratios are equal distances") {
  const auto circles = numbers(chart_svg(dots(ScaleKind::logarithmic, {1, 10, 100, 1000})),
                               "<circle cx=\"([0-9.]+)\" cy=\"([0-9.]+)\"");
  REQUIRE(circles.size() == 4);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(circles[i][1] - circles[i + 1][1] == Approx(circles[0][1] - circles[1][1]).margin(0.11));
  }
  CHECK(circles[0][1] > circles[3][1]);  // numbers run up
}

TEST_CASE("lines break where a value is missing, steps go along the axes") {
  const std::string svg = chart_svg(samples::lines());
  CHECK(count(svg, "H") > 0);
  CHECK(count(svg, "stroke-dasharray=\"2 2\"") == 2);  // ds-ft: legend and line
  const auto from = svg.rfind("<path d=\"M");
  const std::string last = svg.substr(from, svg.find('"', from + 9) - from);
  CHECK(count(last, "M") == 2);
  CHECK(count(last, "L") == 0);
}

TEST_CASE("a picture has its words, every category, and no broken number") {
  for (const auto& chart : samples::all()) {
    INFO(chart.id);
    const std::string svg = chart_svg(chart);
    CHECK(svg.rfind("<svg ", 0) == 0);
    CHECK(svg.find("role=\"img\"") != std::string::npos);
    CHECK(svg.find(chart.alternative) != std::string::npos);
    for (const auto& name : frame_of(prepared(chart)).shown_colours) {
      CHECK(svg.find(">" + name + "<") != std::string::npos);
    }
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
    CHECK(svg.find("style=") == std::string::npos);
    CHECK(svg.find("http") == std::string::npos);
    CHECK(svg == chart_svg(chart));
  }
}

TEST_CASE("a chart without rows is drawn") {
  for (auto chart : samples::all()) {
    for (auto& data : chart.data) data.rows.clear();
    INFO(chart.id);
    CHECK(chart_svg(chart).find("</svg>") != std::string::npos);
    CHECK(chart_spec(chart).kind == JsonNode::Kind::object);
  }
}

TEST_CASE("a line of many points keeps its extremes") {
  Chart chart = dots(ScaleKind::linear, std::vector<double>(50'000, 1));
  chart.layers[0].mark = Mark::line;
  chart.data[0].rows[25'000][1] = 5.0;
  chart.data[0].rows[30'000][1] = -5.0;
  const std::string svg = chart_svg(chart);
  CHECK(svg.size() < 60'000);
  double low = 1e9;
  double high = 0;
  for (const auto& point : numbers(svg, "L([0-9.]+) ([0-9.]+)")) {
    low = std::min(low, point[1]);
    high = std::max(high, point[1]);
  }
  CHECK(high - low > 200);
}

TEST_CASE("a specification is declarative, without addresses and expressions") {
  for (const auto& chart : samples::all()) {
    INFO(chart.id);
    const JsonNode spec = chart_spec(chart);
    std::set<std::string> keys;
    collect_keys(spec, keys);
    for (const auto* key : {"url", "href", "expr", "signal", "calculate", "config", "$schema"}) {
      CHECK(keys.count(key) == 0);
    }
    CHECK(to_line(spec).find("http") == std::string::npos);
    CHECK(to_line(spec) == to_line(chart_spec(chart)));
    const std::size_t panels = chart.panel.empty() ? 1 : 2;
    const JsonNode* concat = spec.find("vconcat");
    REQUIRE((concat != nullptr) == (panels == 2));
    const auto& layers = (concat == nullptr ? spec : concat->items[1]).find("layer")->items;
    CHECK(layers.size() == chart.layers.size());
    for (const auto& layer : layers) {
      const auto name = layer.find("data")->find("name")->text;
      CHECK(chart_rows(chart).find(name) != nullptr);
      CHECK((layer.find("transform") != nullptr) == (panels == 2));
    }
  }
}

TEST_CASE("the rows of a specification are those of the chart, categories as text") {
  const JsonNode rows = chart_rows(samples::heat_map());
  const auto& set = *rows.find("d0");
  CHECK(to_line(*set.find("columns")) == R"(["layer","node","expert","replicas"])");
  REQUIRE(set.find("rows")->items.size() == 2 * 6 * 4);
  CHECK(to_line(set.find("rows")->items[1]) == R"(["0","0","e1",1.0])");
  const JsonNode complete = complete_spec(samples::heat_map());
  CHECK(complete.find("$schema")->text == "https://vega.github.io/schema/vega-lite/v6.json");
  CHECK(complete.find("title")->text == "Replicas on nodes");
  CHECK(to_line(complete.find("datasets")->find("d0")->items[1]) ==
        R"({"layer":"0","node":"0","expert":"e1","replicas":1.0})");
}

TEST_CASE("the CSV of a chart is exact, one data set after another") {
  const std::string csv = chart_csv(samples::lines());
  CHECK(csv.rfind("time_h,tokens_per_s,policy\n0,9000,lazarus\n", 0) == 0);
  CHECK(csv.find("2,,ds-ft\n") != std::string::npos);
  CHECK(csv.find("\n\ntime_h,cause\n0.8,spot\n2.5,\n") != std::string::npos);
}
