// Training that loses machines must come to the very weights and outputs of training that does not.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "gpu/elastic/real_machines.h"
#include "gpu/validate/case_input.h"
#include "sim/training/job.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr std::int64_t kSteps = 12;
constexpr std::int64_t kSequences = 12;  // of the global batch
constexpr double kRealScale = 0.01;      // of a second of the schedule, for processes

/// A folder for checkpoints that goes with the test.
class Folder {
 public:
  Folder()
      : path_(fmt::format("{}/bethany-elastic-{}-{}",
                          std::filesystem::temp_directory_path().string(), ::getpid(), number_++)) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  static inline int number_ = 0;
  std::string path_;
};

/// What a training came to.
struct Trained {
  /// Of every expert and the dense part; replicas that differ are a failed check.
  std::map<std::pair<int, int>, std::uint64_t> state;
  std::map<std::int64_t, std::pair<double, std::uint64_t>> steps;  // loss and outputs, by counter
  std::map<Stage, int> stages;
  int cut = 0;
  int steps_run = 0;
  std::int64_t moved = 0;
};

class Ignore final : public RunSink {
 public:
  void take(const RunEvent&) override {}
};

CaseWorld world() {
  CaseWorld world;
  world.stack = {.layers = 2,
                 .hidden = 16,
                 .ffn = 32,
                 .experts = 6,
                 .top_k = 2,
                 .heads = 2,
                 .sequence_length = 8,
                 .exact = true};
  world.slots = 3;
  world.steps = kSteps;
  world.checkpoint_every = 3;
  world.rebalance_every = 4;
  world.cost.member("model") = JsonNode::of("fixed");
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"step", "1s"},
                                                        {"checkpoint", "300ms"},
                                                        {"detection", "500ms"},
                                                        {"planning", "100ms"},
                                                        {"communicator", "200ms"},
                                                        {"transfer", "400ms"},
                                                        {"process_start", "300ms"},
                                                        {"group_init", "200ms"},
                                                        {"load", "300ms"},
                                                        {"rebalance_communicator", "100ms"}}) {
    world.cost.member(key) = JsonNode::of(value);
  }
  return world;
}

CaseInput input_of(const std::string& policy, int nodes, const std::string& routing) {
  auto input = make_case_input({policy, routing, nodes, "none", 3}, world());
  input.scenario.training.batch = {.global = true, .sequences = kSequences, .accumulation = 1};
  input.scenario.until.samples = kSteps * kSequences;
  return input;
}

TrainingSetup setup_of(const CaseInput& input) {
  return {.shape = world().stack,
          .dispatch = input.policy.dispatch.get(),
          .placement = {.nodes = 0,
                        .gpus_per_node = input.scenario.cluster.node_type.gpus,
                        .slots_per_gpu = input.scenario.cluster.slots_per_gpu,
                        .experts = input.scenario.model.experts,
                        .fault_threshold = input.policy.fault_threshold},
          .seed = 11};
}

/// Requires: the run comes to its end.
Trained train(const CaseInput& input, Crew& crew, bool forced) {
  const Folder folder;
  Trained trained;
  RealMachines machines(
      crew, {.measures = crew.dies_for_real(),
             .folder = folder.path(),
             .forced = forced ? &input.routing : nullptr,
             .sink = [&](const Performed& performed) {
               if (performed.cut) {
                 ++trained.cut;
               } else if (performed.is_step) {
                 ++trained.steps_run;
                 CHECK(performed.as_decided);
                 trained.steps[performed.step] = {performed.loss, performed.output_digest};
               } else {
                 ++trained.stages[performed.stage];
               }
             }});
  const JobInput job{.scenario = input.scenario,
                     .policy = input.policy,
                     .trace = input.trace,
                     .routing = input.routing,
                     .timer = *input.cost.timer,
                     .streams = RngStreams(3, 0),
                     .machines = &machines};
  Ignore sink;
  const auto outcome = run(job, sink);
  REQUIRE(outcome.infeasible.value_or("") == "");
  Order order;
  order.kind = Order::Kind::digest;
  for (const auto& rank : crew.obey(order, {}).ranks) {
    for (const auto& [part, digest] : rank.held) {
      const auto known = trained.state.emplace(part, digest).first;
      CHECK(known->second == digest);
    }
  }
  return trained;
}

std::unique_ptr<Crew> threads_for(const CaseInput& input) {
  return make_thread_crew(setup_of(input),
                          {.serialised = false, .compute = [] { return make_compute("cpu"); }});
}

Trained train(const CaseInput& input, bool forced = false) {
  const auto crew = threads_for(input);
  return train(input, *crew, forced);
}

void check_same(const Trained& trained, const Trained& undisturbed) {
  CHECK(trained.state == undisturbed.state);
  REQUIRE(trained.steps.size() == undisturbed.steps.size());
  for (const auto& [step, came_to] : undisturbed.steps) {
    INFO("step " << step);
    CHECK(trained.steps.at(step).first == came_to.first);
    CHECK(trained.steps.at(step).second == came_to.second);
  }
}

/// Losses and joins at random instants of the first `seconds`, never fewer than `fewest` nodes.
Trace random_trace(int nodes, int fewest, double seconds, Rng rng, double scale = 1) {
  const auto when = [scale](std::int64_t ms) {
    return at(round_to_duration(static_cast<double>(ms) * 1e-3 * scale));
  };
  TraceBuilder builder("random failures");
  builder.header().name = "random";
  std::vector<NodeId> all;
  for (int i = 0; i < nodes; ++i) all.push_back(builder.node(fmt::format("n{}", i)));
  builder.add(SimTime(), TraceEventKind::join, all, 0);
  std::set<NodeId> alive(all.begin(), all.end());
  std::int64_t ms = 0;
  while (true) {
    ms += 200 + static_cast<std::int64_t>(rng.below(4000));
    if (static_cast<double>(ms) > seconds * 1000) break;
    std::vector<NodeId> gone;
    for (const auto node : all) {
      if (alive.count(node) == 0) continue;
      const bool goes = rng.below(3) == 0 && static_cast<int>(alive.size()) > fewest;
      if (!goes) continue;
      gone.push_back(node);
      alive.erase(node);
    }
    if (!gone.empty()) builder.add(when(ms), TraceEventKind::lost, gone, 0);
    ms += 100;
    std::vector<NodeId> back;
    for (const auto node : all) {
      if (alive.count(node) == 0 && rng.below(2) == 0) back.push_back(node);
    }
    for (const auto node : back) alive.insert(node);
    if (!back.empty()) {
      builder.add(when(ms), TraceEventKind::join, back, 0);
    }
  }
  return builder.finish(SimTime(), at(kLongest / 2));
}

const std::vector<std::string>& policies() {
  static const std::vector<std::string> names = {"lazarus",
                                                 "lazarus+",
                                                 "lazarus:placement=spread",
                                                 "lazarus:placement=random",
                                                 "lazarus:dispatch=even",
                                                 "ds",
                                                 "ds-ft"};
  return names;
}

}  // namespace

TEST_CASE("elastic: any number of nodes and any policy trains the same weights") {
  const auto reference = train(input_of("lazarus", 4, "zipf"));
  CHECK(reference.steps.size() == kSteps);
  CHECK(reference.state.size() == 1 + 2 * 6);
  for (const auto& policy : policies()) {
    for (const int nodes : {4, 6}) {
      INFO(policy << " on " << nodes);
      check_same(train(input_of(policy, nodes, "zipf")), reference);
    }
  }
}

TEST_CASE("elastic: the dispatch that is performed is the dispatch that was simulated") {
  for (const auto& policy : {"lazarus", "lazarus+", "lazarus:dispatch=even"}) {
    for (const auto& routing : {"balanced", "drifting", "burst"}) {
      INFO(policy << " " << routing);
      const auto trained = train(input_of(policy, 5, routing), true);
      CHECK(trained.steps.size() == kSteps);
    }
  }
}

TEST_CASE("elastic: losses and joins at any instant leave no trace in weights and outputs") {
  const auto reference = train(input_of("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 6; ++number) {
    for (const auto& policy : policies()) {
      INFO(policy << ", trace " << number);
      auto input = input_of(policy, 5, "drifting");
      input.trace = random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic"));
      const auto trained = train(input);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
      all.cut += trained.cut;
      all.steps_run += trained.steps_run;
    }
  }
  // The schedules did what they are for.
  CHECK(all.stages[Stage::transfer] > 20);
  CHECK(all.stages[Stage::load] > 5);
  CHECK(all.cut > 20);
  CHECK(all.steps_run > 6 * 7 * kSteps);  // rolled back and done again
}

TEST_CASE("elastic: processes killed by SIGKILL leave no trace in weights and outputs") {
  const auto reference = train(input_of("lazarus", 5, "drifting"));
  Trained all;
  for (std::uint64_t number = 0; number < 3; ++number) {
    for (const auto& policy : {"lazarus", "lazarus+", "ds", "ds-ft"}) {
      INFO(policy << ", trace " << number);
      auto input = input_of(policy, 5, "drifting");
      // Real seconds: a step takes milliseconds.
      input.trace =
          random_trace(5, 2, 25, RngStreams(number, 0).stream("elastic/kill"), kRealScale);
      const auto crew = make_process_crew(setup_of(input), [] { return make_compute("cpu"); });
      const auto trained = train(input, *crew, false);
      check_same(trained, reference);
      for (const auto& [stage, count] : trained.stages) all.stages[stage] += count;
    }
  }
  CHECK(all.stages[Stage::detection] >= 12);
  CHECK(all.stages[Stage::transfer] > 5);
}

}  // namespace bethany
