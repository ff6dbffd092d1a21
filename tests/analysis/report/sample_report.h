#pragma once

// A report from hand-made streams, with any names; and names that a page must not obey.

#include <string>
#include <vector>

#include "analysis/compare_answer.h"
#include "analysis/report/report_data.h"
#include "tests/analysis/report/sample_charts.h"
#include "tests/analysis/result_directory.h"

namespace bethany::samples {

struct Names {
  std::string first = "lazarus";
  std::string second = "ds";
  std::string scenario = "by hand";
  std::string trace = "p3";
};

/// Two policies on so many equal replications.
inline ReportData report(const Names& names = {}, int replications = 1) {
  Replications all;
  all.drawn = "nothing, by hand";
  for (int r = 0; r < replications; ++r) {
    std::vector<RunResult> runs = {test::result_of(streams::lazarus_run()),
                                   test::result_of(streams::ds_run())};
    runs[0].summary.policy = names.first;
    runs[1].summary.policy = names.second;
    for (auto& run : runs) {
      run.context.trace.name = names.trace;
      run.context.replication = r;
    }
    all.runs.push_back(std::move(runs));
  }
  ReportData data;
  data.comparison = compare_answer(all, compare_on_replications(all));
  data.comparison.member("command") = JsonNode::of("bethany compare scenario.json");
  data.scenario = parse_json(R"({"model": "gpt-l", "cluster": {"nodes": 4}})", "scenario.json");
  data.scenario.member("name") = JsonNode::of(names.scenario);
  return data;
}

/// What a name must not do: begin a script, leave an attribute, turn the text around, end a line.
inline std::vector<std::string> hostile_names() {
  const std::string act = "document.documentElement.dataset.pwned=1";
  return {"<script>" + act + "</script>",
          "</script><script>" + act + "</script>",
          "\"><img src=x onerror=\"" + act + "\">",
          "' onmouseover='" + act + "' x='",
          "<!--<script>",
          "]]>&lt;b&gt;&amp;",
          "\xE2\x80\xAEtxt.exe\xE2\x80\xAC",
          "line\xE2\x80\xA8separator\xE2\x80\xA9",
          std::string("nul\0bell\x07"
                      "escape\x1b[31m\x7f\r\n\tend",
                      26),
          "bytes \xff\xc0\xaf\xed\xa0\x80 that are no UTF-8",
          "<svg/onload=" + act + ">" + std::string(10'000, 'A'),
          "javascript:" + act};
}

/// The charts with the names of policies replaced, also as titles.
inline std::vector<Chart> charts_with(const Names& names) {
  std::vector<Chart> charts = all();
  for (auto& chart : charts) {
    chart.title = names.scenario;
    chart.caption = names.trace;
    chart.alternative = names.first;
    chart.x.title = names.second;
    chart.colour_title = names.trace;
    for (auto& colour : chart.colour_order) {
      if (colour == "lazarus") colour = names.first;
      if (colour == "ds") colour = names.second;
    }
    for (auto& data : chart.data) {
      for (auto& column : data.columns) column.title = names.first;
      for (auto& row : data.rows) {
        for (auto& cell : row) {
          if (cell == ChartCell("lazarus")) cell = names.first;
          if (cell == ChartCell("ds") || cell == ChartCell("p3")) cell = names.second;
        }
      }
    }
  }
  return charts;
}

}  // namespace bethany::samples
