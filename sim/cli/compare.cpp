#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <thread>

#include "analysis/comparison.h"
#include "analysis/tables.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/cli/command.h"
#include "sim/cli/run_output.h"
#include "sim/model/run_record_file.h"

namespace bethany {
namespace {

struct Options {
  ScenarioOptions scenario;
  std::string policies;
  std::string baseline;
  std::string directory;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  OutputOptions output;
};

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  std::size_t from = 0;
  while (from <= list.size() && !list.empty()) {
    const std::size_t to = std::min(list.find(',', from), list.size());
    names.push_back(list.substr(from, to - from));
    from = to + 1;
  }
  return names;
}

/// A directory name for a policy: what is no letter, digit, - + . _ becomes _.
std::string directory_name(std::size_t index, const std::string& policy) {
  std::string name = fmt::format("{:02}-", index);
  for (const char c : policy) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '+' || c == '.' || c == '_';
    name += plain ? c : '_';
  }
  return name;
}

void write_records(const Options& options, const Setup& setup,
                   const std::vector<RunResult>& results, const JsonNode& answer,
                   const std::deque<RecordWriter>& records) {
  make_output_directory(options.directory, options.output.force);
  const auto top = std::filesystem::absolute(options.directory).lexically_normal();
  write_output((top / "scenario.json").string(), to_text(setup.effective, top.string()) + "\n",
               true);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].summary.feasible) continue;
    const auto place = top / directory_name(i, results[i].summary.policy);
    make_output_directory(place.string(), true);
    write_output((place / "events.jsonl").string(), records[i].text(), true);
    write_output((place / "summary.json").string(), to_text(replay_answer(results[i])) + "\n",
                 true);
  }
  write_output((top / "comparison.json").string(), to_text(answer) + "\n", true);
}

int compare_command(const Options& options) {
  for (const auto& setting : options.scenario.overrides.sets) {
    if (setting.starts_with("polic")) {
      refuse_option("--set " + setting, "compare takes its policies from --policies");
    }
  }
  const auto setup = load_setup(options.scenario);
  const auto policies = choose_policies(setup, split_names(options.policies));
  std::deque<RecordWriter> records;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    records.emplace_back(RecordHeader{.node_names = setup.trace->node_names});
  }
  std::vector<RunSummary> summaries;
  {
    Progress progress(policies.size(), horizon_of(setup));
    summaries = compare(setup, policies, options.threads, [&](std::size_t i) {
      std::vector<RunSink*> sinks = {progress.sink(i)};
      if (!options.directory.empty()) sinks.push_back(&records[i]);
      return sinks;
    });
  }
  const auto comparisons = compare_on_one_trace(summaries, options.baseline);
  std::vector<RunResult> results;
  for (const auto& summary : summaries) results.push_back({summary, context_of(setup)});
  const auto answer = compare_answer(results, comparisons);
  const bool any = std::any_of(summaries.begin(), summaries.end(),
                               [](const RunSummary& s) { return s.feasible; });
  if (any && !options.directory.empty()) {
    write_records(options, setup, results, answer, records);
  }
  if (options.output.format == "json") {
    print_json(answer);
  } else {
    print_text(
        compare_text(results, comparisons, table_format(options.output.format), wants_colour()));
  }
  if (!any) throw InfeasibleError("no policy has a run in this scenario");
  return 0;
}

}  // namespace

void add_compare(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<Options>();
  auto* command = program.add_subcommand("compare", "replay one trace against several policies");
  add_scenario(*command, options->scenario);
  command->add_option("--policies", options->policies,
                      "comma-separated: policies of the scenario or presets, as "
                      "NAME[:KEY=VALUE]...; default: the scenario's");
  command->add_option("--baseline", options->baseline,
                      "the policy others are compared with; default: the first");
  command->add_option("-o,--output", options->directory, "keep the run records in this directory");
  command->add_option("-j,--jobs", options->threads, "threads")->check(CLI::Range(1, 1024));
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return compare_command(*options); }; });
}

}  // namespace bethany
