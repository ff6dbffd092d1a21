#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <filesystem>
#include <thread>

#include "analysis/compare_answer.h"
#include "analysis/compare_text.h"
#include "analysis/report/report_data.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/quantities.h"
#include "sim/base/text.h"
#include "sim/cli/asserts.h"
#include "sim/cli/command.h"
#include "sim/cli/run_output.h"
#include "sim/model/run_record_file.h"
#include "sim/study/replicate.h"

namespace bethany {
namespace {

constexpr int kMostUntilCi = 1000;

struct CompareCommand {
  ScenarioOptions scenario;
  std::string policies;
  ReplicateOptions replicate;
  std::string until_ci;
  std::string directory;
  std::vector<std::string> asserts;
  bool dry_run = false;
  ProgressOptions progress;
  OutputOptions output;
};

/// "2%" or "0.02". Throws CLI::ValidationError.
std::optional<double> share_of(const std::string& text) {
  if (text.empty()) return {};
  const bool percent = text.back() == '%';
  double value = 0;
  const char* const end = text.data() + text.size() - (percent ? 1 : 0);
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const double share = percent ? value / 100 : value;
  if (error != std::errc{} || stop != end || !(share > 0 && share < 1)) {
    refuse_option("--until-ci " + text, "expected a share of the ratio, as in 2% or 0.02");
  }
  return share;
}

/// What a reader types beside the kept scenario to see the same.
std::string command_text(const CompareCommand& options, const std::vector<NamedPolicy>& policies) {
  std::string names;
  for (const auto& policy : policies) names += (names.empty() ? "" : ",") + policy.name;
  std::string text = "bethany compare scenario.json --policies " + shell_word(names);
  const auto& replicate = options.replicate;
  if (!replicate.baseline.empty()) text += " --baseline " + shell_word(replicate.baseline);
  if (replicate.windows > 0) text += fmt::format(" --windows {}", replicate.windows);
  if (replicate.count > 1) text += fmt::format(" --replications {}", replicate.count);
  if (!options.until_ci.empty()) text += " --until-ci " + options.until_ci;
  return text;
}

/// Keeps the comparison, and the records of its first replication.
void write_records(const CompareCommand& options, const Setup& setup,
                   const Replications& replications, const JsonNode& answer,
                   const std::deque<RecordWriter>& records) {
  make_output_directory(options.directory, options.output.force);
  const auto top = std::filesystem::absolute(options.directory).lexically_normal();
  write_output((top / "scenario.json").string(), to_text(setup.effective, top.string()) + "\n",
               true);
  const auto& runs = replications.runs.front();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].summary.feasible) continue;
    const auto place = top / kept_directory(i, runs[i].summary.policy);
    make_output_directory(place.string(), true);
    write_output((place / "events.jsonl").string(), records[i].text(), true);
    write_output((place / "summary.json").string(), to_text(replay_answer(runs[i])) + "\n", true);
  }
  write_output((top / "comparison.json").string(), to_text(answer) + "\n", true);
}

/// The options that belong together. Throws CLI::ValidationError.
void check_options(CompareCommand& options) {
  for (const auto& setting : options.scenario.overrides.sets) {
    if (setting.starts_with("polic")) {
      refuse_option("--set " + setting, "compare takes its policies from --policies");
    }
  }
  auto& replicate = options.replicate;
  if (replicate.windows > 0 && replicate.count > 1) {
    refuse_option("--windows", "are replications: give one of --windows and --replications");
  }
  replicate.until_ci = share_of(options.until_ci);
  if (replicate.until_ci && replicate.windows == 0 && replicate.count == 1) {
    replicate.count = kMostUntilCi;
  }
}

/// How many runs are asked for, and how long they take if all take as long as the first.
int dry_run(const CompareCommand& options, const Setup& setup,
            const std::vector<NamedPolicy>& policies) {
  const auto replications =
      std::max<std::int64_t>(options.replicate.count, options.replicate.windows);
  const auto runs = replications * static_cast<std::int64_t>(policies.size());
  const double began = clock_seconds();
  compare(setup, {policies.front()}, 1);
  const double first = clock_seconds() - began;
  const auto threads = std::min<std::int64_t>(options.replicate.threads, runs);
  const double all = first * static_cast<double>(runs) / static_cast<double>(threads);
  if (options.output.format == "json") {
    JsonNode answer;
    answer.member("schema") = JsonNode::of("bethany/dry-run/1");
    answer.member("version") = JsonNode::of(BETHANY_VERSION);
    answer.member("replications") = JsonNode::of(replications);
    answer.member("policies") = JsonNode::of(static_cast<std::int64_t>(policies.size()));
    answer.member("runs") = JsonNode::of(runs);
    answer.member("threads") = JsonNode::of(threads);
    answer.member("first_s") = JsonNode::of(first);
    answer.member("estimated_s") = JsonNode::of(all);
    print_json(answer);
    return 0;
  }
  print_text(fmt::format(
      "{}{} replications x {} policies = {} runs\n'{}' took {}: about {} on {} threads\n",
      options.replicate.until_ci ? "at most " : "", replications, policies.size(), runs,
      policies.front().name, rounded_text(round_to_duration(first)),
      rounded_text(round_to_duration(all)), threads));
  return 0;
}

int compare_command(CompareCommand options) {
  check_options(options);
  if (options.progress.quiet) be_quiet();
  const auto tree = read_scenario_tree(options.scenario.path, options.scenario.overrides);
  const auto setup = make_setup(tree);
  for (const auto& warning : setup.warnings) say("warning: " + warning);
  const auto policies = choose_policies(setup, split_names(options.policies));
  const auto asserts = read_asserts(options.asserts, policies);
  if (options.dry_run) return dry_run(options, setup, policies);
  std::deque<RecordWriter> records;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    records.emplace_back(RecordHeader{.node_names = setup.trace->node_names});
  }
  const auto most =
      static_cast<std::size_t>(std::max(options.replicate.count, options.replicate.windows));
  Replications replications;
  {
    Progress progress(most * policies.size(), horizon_of(setup), options.progress);
    replications = replicate(
        tree, setup, policies, options.replicate, [&](std::size_t replication, std::size_t policy) {
          std::vector<RunSink*> sinks = {progress.sink(replication * policies.size() + policy)};
          const bool kept = replication == 0 && !options.directory.empty();
          if (kept) sinks.push_back(&records[policy]);
          return sinks;
        });
  }
  const auto comparisons = compare_on_replications(replications, options.replicate.baseline);
  auto answer = compare_answer(replications, comparisons);
  const auto& runs = replications.runs.front();
  const bool any = std::any_of(runs.begin(), runs.end(),
                               [](const RunResult& run) { return run.summary.feasible; });
  if (any && !options.directory.empty()) {
    auto kept = answer;
    kept.member("command") = JsonNode::of(command_text(options, policies));
    write_records(options, setup, replications, kept, records);
  }
  if (options.output.format == "json") {
    print_json(answer);
  } else {
    print_text(compare_text(replications, comparisons, table_format(options.output.format),
                            wants_colour()));
  }
  if (!any) throw InfeasibleError("no policy has a run in this scenario");
  return report_asserts(asserts, replications, comparisons);
}

}  // namespace

void add_compare(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<CompareCommand>();
  options->replicate.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  auto* command = program.add_subcommand("compare", "replay one trace against several policies");
  add_scenario(*command, options->scenario);
  command->add_option("--policies", options->policies,
                      "comma-separated: policies of the scenario or presets, as "
                      "NAME[:KEY=VALUE]...; default: the scenario's");
  command->add_option("--baseline", options->replicate.baseline,
                      "the policy others are compared with; default: the first");
  command
      ->add_option("--replications", options->replicate.count,
                   "compare on so many draws of the trace generator, nodes and loads")
      ->check(CLI::Range(1, 1'000'000));
  command
      ->add_option("--windows", options->replicate.windows,
                   "compare on so many windows of the trace file, each training.until.time long")
      ->check(CLI::Range(2, 1'000'000));
  command->add_option("--until-ci", options->until_ci,
                      fmt::format("stop when every ratio's interval is that narrow, as in 2%; at "
                                  "most --replications (default {})",
                                  kMostUntilCi));
  command->add_option("-o,--output", options->directory, "keep the run records in this directory");
  command->add_option("-j,--jobs", options->replicate.threads, "threads")
      ->check(CLI::Range(1, 1024));
  add_asserts(*command, options->asserts);
  command->add_flag("--dry-run", options->dry_run,
                    "say how many runs that is, and how long from the time of the first");
  add_progress(*command, options->progress);
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return compare_command(*options); }; });
}

}  // namespace bethany
