#pragma once

// What figures are made from: comparisons of hand-made streams, replications and sweeps.

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "analysis/report/chart.h"
#include "analysis/report/report_data.h"
#include "tests/analysis/result_directory.h"

namespace bethany::test {

inline ReportData compared(const std::vector<Stream>& runs) {
  ResultDirectory directory;
  directory.write_comparison(runs);
  return read_report_data(directory.path());
}

/// The run of `ds` as the bound "ideal".
inline Stream ideal_run() {
  Stream events = streams::ds_run();
  std::get<RunStarted>(events[0]).policy = "ideal";
  return events;
}

/// A comparison of `count` replications whose goodputs are given, policy by policy.
inline ReportData replicated(
    const std::vector<std::pair<std::string, std::vector<double>>>& goodputs) {
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

inline JsonNode object(const std::string& text) { return parse_json(text, "by hand"); }

/// A run of a sweep; goodput below 0: infeasible.
inline JsonNode sweep_run(const std::string& assignment, int replication, double goodput) {
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
inline ReportData two_axes() {
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

inline ReportData one_axis() {
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

inline std::size_t column(const ChartData& data, const std::string& name) {
  for (std::size_t i = 0; i < data.columns.size(); ++i) {
    if (data.columns[i].name == name) return i;
  }
  throw std::runtime_error("no column " + name);
}

}  // namespace bethany::test
