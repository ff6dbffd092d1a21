#include "sim/study/reproduce/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/base/check.h"
#include "sim/base/files.h"
#include "sim/base/time.h"
#include "sim/study/parallel.h"
#include "sim/study/replay.h"
#include "sim/study/setup.h"

namespace bethany {
namespace {

class KeepEvents final : public RunSink {
 public:
  explicit KeepEvents(std::vector<RunEvent>& into) : into_(into) {}
  void take(const RunEvent& event) override { into_.push_back(event); }

 private:
  std::vector<RunEvent>& into_;
};

/// Steps of [from, from + count · each) that end in [begin, end).
std::int64_t ending_within(SimTime from, std::int64_t count, Duration each, SimTime begin,
                           SimTime end) {
  const auto ended_before = [&](SimTime time) {
    if (time <= from) return std::int64_t{0};
    return std::min<std::int64_t>(count, (time - from - Duration(1)) / each);
  };
  return ended_before(end) - ended_before(begin);
}

}  // namespace

Registry<Experiment>& experiments() {
  static Registry<Experiment> registry;
  return registry;
}

const DrawnRun& DrawnRuns::at(std::size_t draw, std::string_view policy) const {
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (policies[i] == policy) return draws[draw][i];
  }
  BETHANY_CHECK(false, "no run of {}", policy);
}

Lab::Lab(const ReproduceOptions& options, Reproduction& into) : options_(options), into_(into) {}

std::optional<std::string> Lab::public_file(const std::string& relative) {
  if (!options_.traces.empty()) {
    const auto path = std::filesystem::path(options_.traces) / relative;
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path.string();
  }
  auto& missing = into_.missing_inputs;
  if (std::find(missing.begin(), missing.end(), relative) == missing.end()) {
    missing.push_back(relative);
  }
  return {};
}

std::optional<std::string> Lab::published_loads(int experts) {
  if (options_.generated_loads) return std::string("routing.generator=zipf-drift");
  const auto path = public_file("smartmoe-GPL3/moe_trace");
  if (!path) return {};
  const auto name = to_line(JsonNode::of(*path));
  return fmt::format(R"(routing={{"file":{},"importer":"smartmoe-log","layers":12,"experts":{}}})",
                     name, experts);
}

JsonNode Lab::tree_of(const DrawnScenario& scenario) const {
  auto tree = parse_json(scenario.text, scenario.name);
  for (const auto& setting : scenario.settings) apply_set(tree, setting);
  return tree;
}

Setup Lab::setup_of(const DrawnScenario& scenario, int seed) {
  auto tree = tree_of(scenario);
  tree.member("seed") = JsonNode::of(std::int64_t{seed});
  return make_setup(tree, &cache_);
}

void Lab::keep(const DrawnScenario& scenario, const Setup& setup) const {
  if (options_.directory.empty()) return;
  auto name = scenario.name;
  std::replace(name.begin(), name.end(), '/', '-');
  const auto top = std::filesystem::absolute(options_.directory).lexically_normal();
  write_output((top / (name + ".json")).string(), to_text(setup.effective, top.string()) + "\n",
               true);
}

DrawnRuns Lab::run(const DrawnScenario& scenario) {
  DrawnRuns runs;
  runs.policies = scenario.policies;
  runs.draws.resize(static_cast<std::size_t>(scenario.draws > 0 ? scenario.draws : options_.draws));
  parallel_for(runs.draws.size(), options_.threads, [&](std::size_t draw) {
    const auto setup = setup_of(scenario, static_cast<int>(draw) + 1);
    if (draw == 0) keep(scenario, setup);
    for (const auto& named : choose_policies(setup, scenario.policies)) {
      DrawnRun run;
      KeepEvents events(run.events);
      run.summary =
          replay(setup, build_policy(named),
                 scenario.keep_events ? std::vector<RunSink*>{&events} : std::vector<RunSink*>{});
      BETHANY_CHECK(run.summary.feasible, "{} of {}: {}", scenario.name, named.name,
                    run.summary.reason);
      runs.draws[draw].push_back(std::move(run));
    }
  });
  return runs;
}

double samples_of(const DrawnRun& run) { return static_cast<double>(run.summary.samples); }

double steps_of(const DrawnRun& run) { return static_cast<double>(run.summary.steps_committed); }

double samples_computed(const DrawnRun& run, Duration from, Duration to) {
  double samples = 0;
  for (const auto& event : run.events) {
    if (const auto* steps = std::get_if<StepsCommitted>(&event)) {
      samples += static_cast<double>(
                     ending_within(steps->from, steps->count, steps->step_time, at(from), at(to))) *
                 static_cast<double>(steps->samples) / static_cast<double>(steps->count);
    } else if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) {
      const Duration round = rounds->step_time * rounds->steps + rounds->write_time;
      for (std::int64_t i = 0; i < rounds->rounds; ++i) {
        samples += static_cast<double>(ending_within(rounds->from + round * i, rounds->steps,
                                                     rounds->step_time, at(from), at(to))) *
                   static_cast<double>(rounds->samples) /
                   static_cast<double>(rounds->rounds * rounds->steps);
      }
    }
  }
  return samples;
}

double blocked_share_of_time(const DrawnRun& run, const std::vector<Blocked>& kinds) {
  Duration blocked{0};
  const auto counts = [&](Blocked kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  };
  for (const auto& event : run.events) {
    if (const auto* stage = std::get_if<StageEnded>(&event)) {
      if (counts(stage->bucket)) blocked += stage->to - stage->from;
    } else if (const auto* rounds = std::get_if<RoundsCommitted>(&event)) {
      if (counts(Blocked::checkpoint)) blocked += rounds->write_time * rounds->rounds;
    }
  }
  return to_seconds(blocked) / to_seconds(run.summary.horizon);
}

}  // namespace bethany
