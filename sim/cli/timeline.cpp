#include "analysis/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/cli/command.h"
#include "sim/cli/run_output.h"
#include "sim/model/readers.h"
#include "sim/model/run_record_file.h"

namespace bethany {
namespace {

namespace fs = std::filesystem;

struct TimelineCommand {
  std::string record;
  std::string output_path = "-";
  std::int64_t most_events = TimelineOptions().most_events;
  OutputOptions output;
};

/// The record in a directory that `replay` or `compare` kept. Throws InputError: what `compare`
/// kept has one for each policy, and those are named.
fs::path record_in(const fs::path& directory) {
  if (fs::exists(directory / "events.jsonl")) return directory / "events.jsonl";
  std::vector<std::string> kept;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (fs::exists(entry.path() / "events.jsonl")) kept.push_back(entry.path().string());
  }
  std::sort(kept.begin(), kept.end());
  throw InputError(kept.empty() ? directory.string() + ": no events.jsonl in this directory"
                                : fmt::format("{}: several records are kept here; give one of {}",
                                              directory.string(), list_in_words(kept)));
}

/// The failure domains of the scenario that was kept beside the record (or above it, by `compare`).
std::vector<FailureDomain> domains_beside(const fs::path& record) {
  const auto directory = record.parent_path();
  for (const auto& place : {directory / "scenario.json", directory / ".." / "scenario.json"}) {
    if (!fs::exists(place)) continue;
    const auto scenario = parse_json(read_input(place.string()), place.string());
    const auto* cluster = scenario.find("cluster");
    if (cluster == nullptr) return {};
    ObjectReader reader(*cluster, "/cluster");
    return read_failure_domains(reader);
  }
  return {};
}

int timeline_command(const TimelineCommand& options) {
  const bool kept = options.record != "-";
  fs::path place = options.record;
  if (kept && fs::is_directory(place)) place = record_in(place);
  const auto bytes = read_input(place.string());
  const auto name = kept ? place.string() : "standard input";
  Timeline timeline({.node_names = read_record_header(bytes, name).node_names,
                     .domains = kept ? domains_beside(place) : std::vector<FailureDomain>(),
                     .most_events = options.most_events});
  read_record(bytes, name, timeline);
  if (options.output_path == "-") {
    print_text(timeline.text());
  } else {
    write_output(options.output_path, timeline.text(), options.output.force);
  }
  return 0;
}

}  // namespace

void add_timeline_events(CLI::App& command, std::int64_t& most_events) {
  command
      .add_option("--timeline-events", most_events,
                  "the most events of a timeline; those dropped are counted in it")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100'000'000}))
      ->capture_default_str();
}

void add_timeline(CLI::App& program, CommandContext& context) {
  auto options = std::make_shared<TimelineCommand>();
  auto* command =
      program.add_subcommand("timeline", "a kept run as Chrome trace JSON, for Perfetto");
  command
      ->add_option("RECORD", options->record,
                   "a directory that `replay -o` kept, or an events.jsonl (-: stdin)")
      ->required();
  command->add_option("-o,--output", options->output_path, "file to write (-: stdout)")
      ->capture_default_str();
  add_timeline_events(*command, options->most_events);
  add_force(*command, options->output);
  command->callback(
      [options, &context] { context.run = [options] { return timeline_command(*options); }; });
}

}  // namespace bethany
