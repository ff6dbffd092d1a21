#include <fmt/format.h>

#include <filesystem>

#include "analysis/narrative.h"
#include "analysis/tables.h"
#include "analysis/timeline.h"
#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/cli/asserts.h"
#include "sim/cli/command.h"
#include "sim/cli/run_output.h"
#include "sim/model/run_record_file.h"
#include "sim/study/replicate.h"
#include "sim/training/planner.h"

namespace bethany {
namespace {

struct ReplayCommand {
  ScenarioOptions scenario;
  std::string policy;
  std::string directory;
  bool events = false;
  std::string timeline;
  std::int64_t timeline_events = TimelineOptions().most_events;
  std::vector<std::string> asserts;
  ProgressOptions progress;
  OutputOptions output;
};

void write_record(const ReplayCommand& options, const Setup& setup, const JsonNode& answer,
                  const std::string& events) {
  make_output_directory(options.directory, options.output.force);
  const auto place = [&](const char* name) { return options.directory + "/" + name; };
  const auto directory = std::filesystem::absolute(options.directory).lexically_normal();
  write_output(place("scenario.json"), to_text(setup.effective, directory.string()) + "\n", true);
  write_output(place("events.jsonl"), events, true);
  write_output(place("summary.json"), to_text(answer) + "\n", true);
}

int replay_command(const ReplayCommand& options) {
  if (options.progress.quiet) be_quiet();
  const auto setup = load_setup(options.scenario);
  const std::vector<std::string> typed =
      options.policy.empty() ? std::vector<std::string>{} : std::vector{options.policy};
  const auto chosen = choose_policies(setup, typed);
  const NamedPolicy named = chosen.front();
  const auto asserts = read_asserts(options.asserts, {named});
  RecordWriter record({.node_names = setup.trace->node_names});
  std::string story;
  Narrator narrator(
      {.node_names = setup.trace->node_names,
       .fetch_rules = FetchRules{state_sizes(setup.scenario), build_policy(named).binding}},
      [&story](std::string_view line) {
        story += line;
        story += '\n';
      });
  Timeline timeline({.node_names = setup.trace->node_names,
                     .domains = setup.scenario.cluster.domains,
                     .most_events = options.timeline_events});
  RunSummary summary;
  {
    Progress progress(1, horizon_of(setup), options.progress);
    summary = compare(setup, {named}, 1, [&](std::size_t) {
                std::vector<RunSink*> sinks = {progress.sink(0)};
                if (!options.directory.empty()) sinks.push_back(&record);
                if (!options.timeline.empty()) sinks.push_back(&timeline);
                if (options.events) sinks.push_back(&narrator);
                return sinks;
              }).front();
  }
  if (!summary.feasible) throw InfeasibleError(fmt::format("{}: {}", named.name, summary.reason));
  const RunResult result{summary, context_of(setup)};
  const auto answer = replay_answer(result);
  if (!options.directory.empty()) write_record(options, setup, answer, record.text());
  if (!options.timeline.empty()) {
    write_output(options.timeline, timeline.text(), options.output.force);
  }
  if (options.policy.empty() && chosen.size() > 1) {
    say(fmt::format("replayed policy '{}', the first of {}; --policy chooses another", named.name,
                    chosen.size()));
  }
  if (options.events) {
    if (options.output.format == "json") {
      fmt::print(stderr, "{}", story);  // stdout is for the object
    } else {
      print_text(story + "\n");
    }
  }
  if (options.output.format == "json") {
    print_json(answer);
  } else {
    print_text(replay_text(result, table_format(options.output.format), wants_colour()));
  }
  return report_asserts(asserts, {.runs = {{result}}}, {});
}

}  // namespace

void add_replay(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<ReplayCommand>();
  auto* command = program.add_subcommand("replay", "replay a trace against one policy");
  add_scenario(*command, options->scenario);
  command->add_option("--policy", options->policy,
                      "a policy of the scenario or a preset, as NAME[:KEY=VALUE]...");
  command->add_option("-o,--output", options->directory, "keep the run record in this directory");
  command->add_flag("--events", options->events, "tell every disruption, stage by stage");
  command->add_option("--timeline", options->timeline,
                      "write the run as Chrome trace JSON, for Perfetto, to this file");
  add_timeline_events(*command, options->timeline_events);
  add_asserts(*command, options->asserts);
  add_progress(*command, options->progress);
  add_format(*command, options->output);
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return replay_command(*options); }; });
}

}  // namespace bethany
