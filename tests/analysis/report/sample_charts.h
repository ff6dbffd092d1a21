#pragma once

#include <cmath>

#include "analysis/report/chart.h"

/// Charts made by hand that use every mark, scale and way to split.
namespace bethany::samples {

inline Chart lines() {
  Chart chart;
  chart.id = "over-time";
  chart.title = "Throughput over time";
  chart.caption = "Committed tokens by second; vertical lines are losses.";
  chart.alternative = "lazarus stays above ds throughout.";
  chart.x = {.title = "hours"};
  chart.y = {.title = "tokens/s"};
  chart.colour_title = "policy";
  chart.colour_order = {"lazarus", "ds", "ds-ft"};
  ChartData data{{{"time_h", "time (h)"}, {"tokens_per_s", "tokens/s"}, {"policy", "policy"}}, {}};
  for (int i = 0; i <= 40; ++i) {
    const double t = i * 0.1;
    data.rows.push_back({t, 9000.0 - 40 * (i % 7), std::string("lazarus")});
    data.rows.push_back({t, 6000.0 - 90 * (i % 5), std::string("ds")});
    data.rows.push_back({t, i == 20 ? ChartCell() : ChartCell(4000.0 + i), std::string("ds-ft")});
  }
  ChartData losses{{{"time_h", "time (h)"}, {"cause", "cause"}},
                   {{0.8, std::string("spot")}, {2.5, {}}}};
  chart.data = {data, losses};
  chart.layers = {
      {.mark = Mark::rule, .data = 1, .x = "time_h", .faint = true},
      {.mark = Mark::steps, .data = 0, .x = "time_h", .y = "tokens_per_s", .colour = "policy"}};
  return chart;
}

inline Chart stacked_bars() {
  Chart chart;
  chart.id = "where-time-goes";
  chart.title = "Where the node time goes";
  chart.caption = "Shares of the node time of each policy.";
  chart.alternative = "lazarus spends 80 % of its node time on steps that count, ds 55 %.";
  chart.x = {.title = "share of node time"};
  chart.y = {.title = "", .scale = ScaleKind::category};
  chart.colour_title = "bucket";
  ChartData data{{{"policy", "policy"}, {"share", "share"}, {"bucket", "bucket"}}, {}};
  const auto add = [&](const char* policy, const char* bucket, double share) {
    data.rows.push_back({std::string(policy), share, std::string(bucket)});
  };
  add("lazarus", "productive", 0.8);
  add("lazarus", "blocked", 0.15);
  add("lazarus", "unavailable", 0.05);
  add("ds", "productive", 0.55);
  add("ds", "blocked", 0.2);
  add("ds", "discarded", 0.2);
  add("ds", "unavailable", 0.05);
  chart.data = {data};
  chart.layers = {{.mark = Mark::bar, .x = "share", .y = "policy", .colour = "bucket"}};
  return chart;
}

inline Chart heat_map() {
  Chart chart;
  chart.id = "replicas";
  chart.title = "Replicas on nodes";
  chart.caption = "Replicas of each expert on each node.";
  chart.alternative = "expert e0 has 4 replicas.";
  chart.x = {.title = "node", .scale = ScaleKind::category};
  chart.y = {.title = "expert", .scale = ScaleKind::category};
  chart.colour_title = "replicas";
  chart.colour_range = {0, 3};
  chart.panel = "layer";
  ChartData data{
      {{"layer", "layer"}, {"node", "node"}, {"expert", "expert"}, {"replicas", "replicas"}}, {}};
  for (int layer = 0; layer < 2; ++layer) {
    for (int node = 0; node < 6; ++node) {
      for (int expert = 0; expert < 4; ++expert) {
        data.rows.push_back({double(layer), double(node), std::string("e") + char('0' + expert),
                             double((node + expert * layer) % 4)});
      }
    }
  }
  chart.data = {data};
  chart.layers = {{.mark = Mark::cell, .x = "node", .y = "expert", .colour = "replicas"}};
  return chart;
}

/// Dots with intervals, a band, a dashed line; a logarithmic axis; panels of numbers.
inline Chart intervals() {
  Chart chart;
  chart.id = "sensitivity";
  chart.title = "Goodput by checkpoint interval";
  chart.caption = "Means of 20 replications with 95 % intervals.";
  chart.alternative = "goodput is highest at 100 steps.";
  chart.x = {.title = "steps between checkpoints", .scale = ScaleKind::logarithmic};
  chart.y = {.title = "tokens/s", .from_zero = false};
  chart.colour_title = "policy";
  chart.colour_order = {"lazarus", "ds", "ds-ft"};
  chart.panel = "trace";
  ChartData data{{{"trace", "trace"},
                  {"interval", "steps"},
                  {"mean", "tokens/s"},
                  {"low", "low"},
                  {"high", "high"},
                  {"policy", "policy"}},
                 {}};
  for (const char* trace : {"p3", "g4dn"}) {
    for (const char* policy : {"lazarus", "ds"}) {
      double value = policy[0] == 'l' ? 250000 : 180000;
      for (const double interval : {10.0, 30.0, 100.0, 300.0, 1000.0}) {
        const double mean = value * (1 - 0.1 * std::abs(std::log10(interval) - 2));
        data.rows.push_back(
            {std::string(trace), interval, mean, mean - 9000, mean + 9000, std::string(policy)});
      }
    }
  }
  chart.data = {data};
  chart.layers = {
      {.mark = Mark::area, .x = "interval", .y = "low", .y2 = "high", .colour = "policy"},
      {.mark = Mark::line, .x = "interval", .y = "mean", .colour = "policy", .dashed = true},
      {.mark = Mark::interval, .x = "interval", .y = "low", .y2 = "high", .colour = "policy"},
      {.mark = Mark::dot, .x = "interval", .y = "mean", .colour = "policy"}};
  return chart;
}

inline std::vector<Chart> all() { return {lines(), stacked_bars(), heat_map(), intervals()}; }

}  // namespace bethany::samples
