#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "analysis/report/chart.h"
#include "analysis/report/chart_spec.h"
#include "analysis/report/page.h"
#include "analysis/report/report_data.h"
#include "analysis/report/verdict.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/cli/command.h"

namespace bethany {
namespace {

struct ReportCommand {
  std::string directory;
  std::string file;
  std::string figures;
  bool md = false;
  bool is_static = false;
  OutputOptions output;
};

void write_figures(const ReportCommand& options, const std::vector<Chart>& charts) {
  make_output_directory(options.figures, options.output.force);
  const std::filesystem::path top(options.figures);
  for (const auto& chart : charts) {
    write_output((top / (chart.id + ".vl.json")).string(), to_text(complete_spec(chart)) + "\n",
                 true);
    write_output((top / (chart.id + ".csv")).string(), chart_csv(chart), true);
  }
}

int report_command(const ReportCommand& options) {
  const ReportData data = read_report_data(options.directory);
  if (options.md && data.only_validation()) {
    throw InputError(fmt::format(
        "{}: --md is about simulated runs; what validate printed is in {}", options.directory,
        (std::filesystem::path(options.directory) / "validation.txt").string()));
  }
  const bool page = !options.file.empty() || (!options.md && options.figures.empty());
  if (page || !options.figures.empty()) {
    const std::vector<Chart> charts = charts_of(data);
    if (!options.figures.empty()) write_figures(options, charts);
    if (page) {
      const auto own = (std::filesystem::path(options.directory) / "report.html").string();
      const std::string file = options.file.empty() ? own : options.file;
      // The page in the directory is made from it: an older one is replaced.
      write_output(file, report_page(data, charts, {.interactive = !options.is_static}),
                   options.output.force || file == own);
      if (!options.md) print_text(file + "\n");
    }
  }
  if (options.md) print_text(report_markdown(data));
  return 0;
}

}  // namespace

void add_report(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<ReportCommand>();
  auto* command = program.add_subcommand(
      "report", "write a page about what compare -o, replay -o, sweep -o or validate -o kept");
  command->add_option("DIR", options->directory, "directory of results")->required();
  command->add_option("-o,--output", options->file, "the page; default: DIR/report.html");
  command->add_flag("--md", options->md, "print verdict and table as Markdown");
  command->add_option("--figures", options->figures,
                      "write each figure as Vega-Lite and CSV into this directory");
  command->add_flag("--static", options->is_static,
                    "figures as pictures only: a page 0.8 MB smaller");
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return report_command(*options); }; });
}

}  // namespace bethany
