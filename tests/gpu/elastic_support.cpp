#include "tests/gpu/elastic_support.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "gpu/elastic/real_machines.h"
#include "sim/training/job.h"
#include "tests/support/catch.h"

namespace bethany::test {
namespace {

constexpr std::int64_t kSequences = 12;  // of the global batch

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

}  // namespace

CaseInput elastic_input(const std::string& policy, int nodes, const std::string& routing) {
  auto input = make_case_input({policy, routing, nodes, "none", 3}, world());
  input.scenario.training.batch = {.global = true, .sequences = kSequences, .accumulation = 1};
  input.scenario.until.samples = kSteps * kSequences;
  return input;
}

TrainingSetup elastic_setup(const CaseInput& input) {
  return {.shape = world().stack,
          .dispatch = input.policy.dispatch.get(),
          .placement = {.nodes = 0,
                        .gpus_per_node = input.scenario.cluster.node_type.gpus,
                        .slots_per_gpu = input.scenario.cluster.slots_per_gpu,
                        .experts = input.scenario.model.experts,
                        .fault_threshold = input.policy.fault_threshold},
          .seed = 11};
}

Trained train(const CaseInput& input, Crew& crew, bool forced, bool sound) {
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
      trained.replicas_agree = trained.replicas_agree && known->second == digest;
    }
  }
  if (sound) CHECK(trained.replicas_agree);
  return trained;
}

Trained train(const CaseInput& input, bool forced) {
  const auto crew =
      make_thread_crew(elastic_setup(input),
                       {.serialised = false, .compute = [](int) { return make_compute("cpu"); }});
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

Trace random_trace(int nodes, int fewest, double seconds, Rng rng, double scale) {
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

}  // namespace bethany::test
