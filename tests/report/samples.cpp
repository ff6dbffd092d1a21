// Writes, for check_specs.mjs and check_page.sh, what no run has: the sample charts, with every
// mark and hostile names.
//   report_samples OUTPUT_DIRECTORY
#include <fmt/format.h>

#include "analysis/report/chart_spec.h"
#include "analysis/report/page.h"
#include "sim/base/files.h"
#include "tests/analysis/report/sample_report.h"

int main(int argc, char** argv) {
  using namespace bethany;
  if (argc != 2) return 2;
  const std::string out = argv[1];
  for (const auto& chart : samples::all()) {
    write_output(fmt::format("{}/{}.vl.json", out, chart.id), to_text(complete_spec(chart)), true);
  }
  int number = 0;
  for (const auto& name : samples::hostile_names()) {
    const samples::Names names{name, name + "2", name, name};
    const auto charts = samples::charts_with(names);
    write_output(fmt::format("{}/hostile-{}.html", out, number),
                 report_page(samples::report(names), charts), true);
    write_output(fmt::format("{}/hostile-{}.vl.json", out, number++),
                 to_text(complete_spec(charts.front())), true);
  }
  return 0;
}
