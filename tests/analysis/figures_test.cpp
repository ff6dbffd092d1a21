#include <cmath>
#include <set>

#include "analysis/report/chart.h"
#include "analysis/report/figure_parts.h"
#include "analysis/report/sweep_grid.h"
#include "sim/base/statistics.h"
#include "tests/analysis/result_directory.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;
using namespace bethany::test;

namespace {

ReportData compared(const std::vector<Stream>& runs) {
  ResultDirectory directory;
  directory.write_comparison(runs);
  return read_report_data(directory.path());
}

std::optional<Chart> figure(const ReportData& data, const std::string& name) {
  for (const auto& maker : charts_in_order()) {
    if (maker.name == name) return maker.make(data);
  }
  throw std::runtime_error("no figure " + name);
}

std::size_t column(const ChartData& data, const std::string& name) {
  for (std::size_t i = 0; i < data.columns.size(); ++i) {
    if (data.columns[i].name == name) return i;
  }
  throw std::runtime_error("no column " + name);
}

/// The numbers of a column in the rows of a policy, from all data that has both.
std::vector<double> numbers(const Chart& chart, const std::string& name,
                            const std::string& policy) {
  std::vector<double> values;
  for (const auto& data : chart.data) {
    bool has = false;
    for (const auto& one : data.columns) has = has || one.name == name;
    if (!has || data.columns[0].name != "policy") continue;
    for (const auto& row : data.rows) {
      const auto* number = std::get_if<double>(&row[column(data, name)]);
      if (std::get<std::string>(row[0]) == policy && number != nullptr) values.push_back(*number);
    }
  }
  return values;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The run of `ds` as the bound "ideal".
Stream ideal_run() {
  Stream events = ds_run();
  std::get<RunStarted>(events[0]).policy = "ideal";
  return events;
}

/// A comparison of `count` replications whose goodputs are given, policy by policy.
ReportData replicated(const std::vector<std::pair<std::string, std::vector<double>>>& goodputs) {
  ReportData data;
  std::vector<JsonNode> runs;
  std::vector<JsonNode> policies;
  for (const auto& [policy, values] : goodputs) {
    policies.emplace_back().member("policy") = JsonNode::of(policy);
    policies.back().member("bound") = JsonNode::of(false);
    for (std::size_t i = 0; i < values.size(); ++i) {
      JsonNode& run = runs.emplace_back();
      run.member("policy") = JsonNode::of(policy);
      run.member("replication") = JsonNode::of(static_cast<std::int64_t>(i));
      run.member("feasible") = JsonNode::of(values[i] >= 0);
      if (values[i] >= 0) run.member("goodput_tokens_per_s") = JsonNode::of(values[i]);
    }
  }
  data.comparison.member("runs") = JsonNode::array_of(std::move(runs));
  data.comparison.member("policies") = JsonNode::array_of(std::move(policies));
  data.comparison.member("comparison") = JsonNode::array_of({});
  return data;
}

JsonNode object(const std::string& text) { return parse_json(text, "by hand"); }

/// A run of a sweep; goodput below 0: infeasible.
JsonNode sweep_run(const std::string& assignment, int replication, double goodput) {
  JsonNode run;
  run.member("assignment") = object(assignment);
  run.member("replication") = JsonNode::of(std::int64_t{replication});
  run.member("status") = JsonNode::of(goodput < 0 ? "infeasible" : "ok");
  JsonNode& result = run.member("result");
  if (goodput >= 0) result.member("goodput_tokens_per_s") = JsonNode::of(goodput);
  return run;
}

/// Two axes: lazarus wins at (1, "a"), ties at (2, "a"), has no run at (1, "b"); nobody at (2,
/// "b").
ReportData two_axes() {
  ReportData data;
  const auto add = [&](int nodes, const std::string& rule, const std::string& policy,
                       double value) {
    data.sweep_runs.push_back(sweep_run("{\"cluster.nodes\": " + std::to_string(nodes) +
                                            ", \"trace.cap.rule\": \"" + rule +
                                            "\", \"policy\": \"" + policy + "\"}",
                                        0, value));
  };
  add(1, "a", "lazarus", 300);
  add(1, "a", "ds", 100);
  add(2, "a", "lazarus", 100);
  add(2, "a", "ds", 100.4);
  add(1, "b", "lazarus", -1);
  add(1, "b", "ds", 50);
  add(2, "b", "lazarus", -1);
  add(2, "b", "ds", -1);
  add(2, "b", "ideal", 900);
  return data;
}

ReportData one_axis() {
  ReportData data;
  for (const int nodes : {20, 10}) {
    for (const int replication : {0, 1, 2}) {
      const std::string point = "{\"cluster.nodes\": " + std::to_string(nodes) + ", \"policy\": ";
      data.sweep_runs.push_back(
          sweep_run(point + "\"lazarus\"}", replication, 10.0 * nodes + replication));
      data.sweep_runs.push_back(
          sweep_run(point + "\"ds\"}", replication, nodes == 20 && replication == 1 ? -1 : nodes));
    }
  }
  return data;
}

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
  std::set<std::string> seen;
  const std::vector<ReportData> all = {compared({lazarus_run()}),
                                       compared({ideal_run(), lazarus_run(true), ds_run()}),
                                       compared({empty_run()}),
                                       priced,
                                       replicated({{"a", {1, 2, 3}}, {"b", {2, -1, 4}}}),
                                       two_axes(),
                                       one_axis(),
                                       ReportData{}};
  for (const auto& data : all) {
    for (const auto& maker : charts_in_order()) {
      const auto chart = maker.make(data);
      if (!chart) continue;
      check_sound(*chart, maker.name);
      seen.insert(maker.name);
    }
  }
  seen.insert("paired-differences");  // below: it needs a comparison
  for (const auto& maker : charts_in_order()) {
    INFO(maker.name);
    CHECK(seen.count(maker.name) == 1);
    CHECK_FALSE(maker.summary.empty());
  }
  CHECK(charts_in_order().front().name == "throughput");
}

TEST_CASE("policies have one colour order everywhere, and bounds a layer of their own") {
  const auto data = compared({ideal_run(), lazarus_run(), ds_run()});
  const std::vector<std::string> order = {"ideal", "lazarus", "ds"};
  for (const auto* name : {"throughput", "members", "committed-tokens", "recovery-curve",
                           "recovery-observed", "recovery-time", "lost-work", "step-time"}) {
    const auto chart = figure(data, name);
    REQUIRE(chart.has_value());
    CHECK(chart->colour_order == order);
  }
  const auto chart = *figure(data, "committed-tokens");
  REQUIRE(chart.layers.size() == 2);
  CHECK_FALSE(chart.layers[0].dashed);
  CHECK(chart.layers[1].dashed);
  CHECK(std::get<std::string>(chart.data[1].rows[0][0]) == "ideal");
  CHECK(has(chart.caption, "Thin and dashed: ideal, an upper bound."));
}

TEST_CASE("throughput is the mean over each stretch, and its sum is all that was committed") {
  // 100 s in bins of 0.1 s, 10 of them to a column of 1 s: 4, then 3 samples of 100 tokens a
  // second.
  const auto chart = *figure(compared({lazarus_run()}), "throughput");
  const auto values = numbers(chart, "throughput_tokens_per_s", "lazarus");
  REQUIRE(values.size() == 101);  // the last value again, at the end
  CHECK(values[0] == 400);
  CHECK(values[10] == 0);  // a write
  CHECK(values[11] == 400);
  CHECK(values[34] == 300);
  CHECK(values[50] == 0);
  double sum = 0;
  for (std::size_t i = 0; i < 100; ++i) sum += values[i];
  CHECK(sum == 21'400);
  const auto times = numbers(chart, "time_s", "lazarus");
  CHECK(times[34] == 34);
  CHECK(times.back() == 100);
  CHECK(has(chart.caption, "mean over 1 s"));
  CHECK(has(chart.caption,
            "Nodes lost at 2 instants: solid vertical lines. Nodes joined after the start at 1 "
            "instant: dashed"));
  REQUIRE(chart.data.size() == 3);
  CHECK(std::get<double>(chart.data[1].rows[0][0]) == 27.5);
  CHECK(std::get<std::string>(chart.data[1].rows[0][3]) == "reclaimed");
}

TEST_CASE("committed tokens fall at rollbacks and end with what counts") {
  const auto data = compared({lazarus_run(), ds_run()});
  const auto chart = *figure(data, "committed-tokens");
  const auto tokens = numbers(chart, "tokens", "lazarus");
  const auto times = numbers(chart, "time_s", "lazarus");
  CHECK(tokens.back() == 19'900);
  CHECK(times.back() == 100);
  bool falls = false;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    CHECK(times[i] >= times[i - 1]);
    if (tokens[i] >= tokens[i - 1]) continue;
    falls = true;
    CHECK(times[i] == 60);
    CHECK(tokens[i - 1] == 13'000);
    CHECK(tokens[i] == 11'500);
  }
  CHECK(falls);
  CHECK(chart.alternative == "lazarus commits 199 samples, 1.31 times ds.");  // 199 / 152
}

TEST_CASE("members and machines are counted apart") {
  const auto chart = *figure(compared({lazarus_run()}), "members");
  const auto members = numbers(chart, "members", "lazarus");
  CHECK(members[0] == 4);
  CHECK(members[27] == 3.5);  // the loss is at 27.5
  CHECK(members[50] == 0);    // waits
  const ChartData& live = chart.data[0];
  CHECK(std::get<double>(live.rows[50][column(live, "nodes")]) == 1);
}

TEST_CASE("the shares of the ledger add up to one") {
  const auto chart = *figure(compared({lazarus_run(), ds_run()}), "ledger");
  for (const auto* policy : {"lazarus", "ds"}) {
    double sum = 0;
    double hours = 0;
    for (const double share : numbers(chart, "share", policy)) sum += share;
    for (const double part : numbers(chart, "node_h", policy)) hours += part;
    CHECK(sum == Approx(1));
    CHECK(hours == Approx(400.0 / 3600));
  }
  CHECK(numbers(chart, "share", "lazarus").front() == Approx(199.0 / 400));
  CHECK(chart.colour_order.size() == 8);
}

TEST_CASE("the curve is what the run predicts, and recoveries are pooled with an exact interval") {
  const auto data = compared({lazarus_run(), ds_run()});
  const auto curve = numbers(*figure(data, "recovery-curve"), "probability", "lazarus");
  REQUIRE(curve.size() == 8);
  // Plans of four nodes for 27.5 s (P(1) = 1), of three (P(1) = 2/3) for 11 and 30 s.
  CHECK(curve[0] == Approx((27.5 + 41 * 2.0 / 3) / 68.5));
  CHECK(has(figure(data, "recovery-curve")->caption, "given uniform victims"));
  const auto observed = *figure(data, "recovery-observed");
  const Interval interval = clopper_pearson(1, 2);
  CHECK(numbers(observed, "low", "lazarus") == std::vector<double>{interval.low});
  CHECK(numbers(observed, "high", "lazarus") == std::vector<double>{interval.high});
  // Observed 1 of 2; predicted P(1) under the first plan, P(2) under the second: (1 + 0) / 2.
  CHECK(numbers(observed, "share", "lazarus") == std::vector<double>{0.5, 0.5});
  CHECK(has(observed.alternative, "ds recovered from 0 of 1 disruptions (0 %), predicted 0 %"));
}

TEST_CASE("distributions hold every recovery and disruption") {
  const auto data = compared({lazarus_run()});
  const auto times = *figure(data, "recovery-time");
  CHECK(numbers(times, "recovery_time_s", "lazarus") == std::vector<double>{6.5, 6.5, 25, 25});
  CHECK(numbers(times, "share", "lazarus") == std::vector<double>{0, 0.5, 1, 1});
  const auto lost = *figure(data, "lost-work");
  CHECK(numbers(lost, "lost_node_min", "lazarus") ==
        std::vector<double>{2.0 / 60, 2.0 / 60, 15.0 / 60, 15.0 / 60});
  CHECK(has(lost.alternative, "750 committed tokens by disruption on average"));  // 1500 / 2
  const auto stages = *figure(data, "recovery-stages");
  double sum = 0;
  for (const double mean : numbers(stages, "mean_s", "lazarus")) sum += mean;
  CHECK(sum == 31.5);
  CHECK(numbers(*figure(data, "step-time"), "step_time_s", "lazarus").back() == 1);
}

TEST_CASE("the map shows who held what before and after, and who was lost") {
  const auto chart = *figure(compared({lazarus_run()}), "replica-map");
  const ChartData& data = chart.data.at(0);
  REQUIRE(data.rows.size() == 2 * 4 + 2 * 3);  // 2 experts on 4 nodes, then on 3
  double replicas = 0;
  for (const auto& row : data.rows) {
    if (std::get<std::string>(row[0]) != "before the loss") continue;
    replicas += std::get<double>(row[3]);
    const bool lost = std::holds_alternative<double>(row[4]);
    CHECK(lost == (std::get<std::string>(row[1]) == "d"));
  }
  CHECK(replicas == 4);
  CHECK(has(chart.alternative, "goes from 4 to 3 nodes; in layer 0 the loss of 1 leaves 1 of 2"));
  CHECK_FALSE(figure(compared({ds_run()}), "replica-map").has_value());
}

TEST_CASE("a map beyond 64 by 64 is summed, and says so") {
  Recorder r(false);
  std::vector<std::int32_t> slots;
  std::vector<NodeId> machines;
  for (int i = 0; i < 200; ++i) {
    slots.push_back(i % 100);
    machines.push_back(NodeId(i));
  }
  r.add(RunStarted{"big", true, 200, 1, 1});
  r.add(NodesJoined{second(0), machines});
  r.add(ConfigurationCompleted{second(0), PlanCause::start, 200, plan(slots, 100), machines, {}});
  r.add(
      ConfigurationCompleted{second(0), PlanCause::in_place, 200, plan(slots, 100), machines, {}});
  r.add(RunEnded{});
  const auto chart = *figure(compared({r.events}), "replica-map");
  std::set<std::string> rows;
  std::set<std::string> columns;
  double replicas = 0;
  for (const auto& row : chart.data.at(0).rows) {
    columns.insert(std::get<std::string>(row[1]));
    rows.insert(std::get<std::string>(row[2]));
    replicas += std::get<double>(row[3]);
  }
  CHECK(rows.size() == 50);
  CHECK(columns.size() == 50);
  CHECK(replicas == 400);  // before and after
  CHECK(has(chart.caption, "A cell sums over 2 of 100 experts and 4 of 200 nodes."));
}

TEST_CASE("pairs are formed within a replication; what has no pair is counted") {
  auto data = replicated({{"base", {10, 20, 30}}, {"other", {20, -1, 45}}});
  CHECK_FALSE(figure(replicated({{"a", {1}}, {"b", {2}}}), "paired-differences").has_value());
  data.comparison.member("comparison") = JsonNode::array_of({object(
      R"({"policy": "other", "baseline": "base", "goodput_ratio": 1.7, "low": 1.2, "high": 2.4,
          "method": "paired t", "verdict": "better"})")});
  const auto chart = *figure(data, "paired-differences");
  check_sound(chart, "paired-differences");
  CHECK(numbers(chart, "goodput_ratio", "other") == std::vector<double>{2, 1.5, 1.7});
  CHECK(has(chart.caption, "Left out: 1 pairs"));
  CHECK(chart.alternative ==
        "other has 1.7 times the goodput of base [1.2, 2.4], more on 2 of 2 traces: better.");
}

TEST_CASE("costs need a price, and what another policy beats in both is faint") {
  auto data = replicated({{"a", {1}}, {"b", {2}}});
  CHECK_FALSE(figure(data, "cost-time").has_value());
  auto& policies = data.comparison.member("policies").items;
  for (std::size_t i = 0; i < 2; ++i) {
    auto& metrics = policies[i].member("metrics");
    metrics.member("usd_per_million_tokens").member("mean") = JsonNode::of(i == 0 ? 3.0 : 2.0);
    metrics.member("goodput_tokens_per_s").member("mean") = JsonNode::of(i == 0 ? 1e5 : 1e6);
  }
  const auto chart = *figure(data, "cost-time");
  REQUIRE(chart.layers.size() == 2);
  CHECK(std::get<std::string>(chart.data[0].rows[0][0]) == "b");
  CHECK(std::get<double>(chart.data[0].rows[0][1]) == Approx(1000.0 / 3600));
  CHECK(chart.layers[1].faint);
}

TEST_CASE("a sweep over two axes names the winner, ties and blanks") {
  const auto chart = *figure(two_axes(), "sweep-map");
  const ChartData& data = chart.data.at(0);
  REQUIRE(data.rows.size() == 4);
  std::map<std::pair<std::string, std::string>, std::vector<ChartCell>> at;
  for (const auto& row : data.rows) {
    at[{std::get<std::string>(row[0]), std::get<std::string>(row[1])}] = row;
  }
  CHECK(std::get<std::string>(at[{"1", "a"}][2]) == "lazarus");
  CHECK(std::get<double>(at[{"1", "a"}][6]) == 3);
  CHECK(std::get<std::string>(at[{"2", "a"}][2]) == "no clear winner");
  CHECK(std::get<std::string>(at[{"1", "b"}][2]) == "ds");
  CHECK(std::holds_alternative<std::monostate>(at[{"1", "b"}][6]));
  CHECK(std::holds_alternative<std::monostate>(at[{"2", "b"}][2]));  // a bound never wins
  CHECK(has(chart.caption, "3 of 3 points have one trace only"));
  CHECK(has(chart.caption, "(1 of 4 points)"));
  CHECK_FALSE(figure(two_axes(), "sweep-lines").has_value());
}

TEST_CASE("a winner by replications needs a difference beyond their noise") {
  SweepCell steady{{{0, 10}, {1, 20}, {2, 30}}, 0};
  SweepCell better{{{0, 12}, {1, 22.5}, {2, 31.5}}, 0};  // +2, +2.5, +1.5
  SweepCell noisier{{{0, 20}, {1, 17}, {2, 29}}, 0};     // +10, -3, -1
  SweepCell partial{{{0, 100}}, 2};
  CHECK(winner_of({{"steady", steady}, {"better", better}})->clear);
  CHECK(winner_of({{"steady", steady}, {"better", better}})->policy == "better");
  CHECK_FALSE(winner_of({{"steady", steady}, {"noisier", noisier}})->clear);
  CHECK(winner_of({{"steady", steady}, {"partial", partial}})->policy == "steady");
  CHECK_FALSE(winner_of({{"partial", partial}}).has_value());
}

TEST_CASE("a sweep over one axis is lines with intervals") {
  const auto chart = *figure(one_axis(), "sweep-lines");
  CHECK(numbers(chart, "value", "lazarus") == std::vector<double>{10, 20});
  CHECK(numbers(chart, "goodput_tokens_per_s", "lazarus") == std::vector<double>{101, 201});
  const Interval interval = mean_interval(std::vector<double>{100, 101, 102});
  CHECK(numbers(chart, "low", "lazarus").front() == interval.low);
  CHECK(numbers(chart, "value", "ds") == std::vector<double>{10});
  CHECK(has(chart.caption, "Left out: 1 points"));
  CHECK_FALSE(figure(one_axis(), "sweep-map").has_value());
}

TEST_CASE("keys that change together are one axis") {
  ReportData data;
  for (const int i : {1, 2, 3}) {
    const auto n = std::to_string(i);
    data.sweep_runs.push_back(
        sweep_run("{\"a\": " + n + ", \"b\": \"x" + n + "\", \"policy\": \"p\"}", 0, i));
  }
  const SweepGrid grid = sweep_grid(data);
  REQUIRE(grid.axes.size() == 1);
  CHECK(grid.axes[0].key == "a");
  CHECK(grid.axes[0].followers == std::vector<std::string>{"b"});
  CHECK(has(figure(data, "sweep-lines")->caption, "Changes with it: b."));
}
