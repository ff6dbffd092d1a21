#include <fmt/format.h>

#include "sim/base/json.h"
#include "sim/base/statistics.h"
#include "sim/cost/cost_model.h"
#include "sim/training/job.h"
#include "tests/analytic/daly.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

struct Setting {
  double mtbf_s = 0;
  double detection_s = 0;
};

constexpr int kNodes = 4;
constexpr int kSegments = 8;
constexpr int kStepsPerSegment = 20;
constexpr double kStep = 15;
constexpr double kWork = kStepsPerSegment * kStep;
constexpr double kWrite = 20;
constexpr double kRestart = 5 + 40 + 10 + 5;

double expected_seconds(const Setting& setting, double restart, double write) {
  return test::expected_seconds({.mtbf = setting.mtbf_s,
                                 .detection = setting.detection_s,
                                 .restart = restart,
                                 .write = write,
                                 .work = kWork,
                                 .segments = kSegments});
}

/// At every failure one node is lost, whichever, and a new machine takes its place at once.
Trace failures(double mtbf_s, Duration end, Rng rng) {
  TraceBuilder builder("daly");
  std::vector<NodeId> alive;
  for (int i = 0; i < kNodes; ++i) alive.push_back(builder.node(fmt::format("m{}", i)));
  builder.add(at(Duration(0)), TraceEventKind::join, alive, 0);
  int machines = kNodes;
  for (SimTime time = at(Duration(0));;) {
    time += round_to_duration(rng.exponential(mtbf_s)) + Duration(1);
    if (time > at(end)) break;
    NodeId& victim = alive[static_cast<std::size_t>(rng.below(kNodes))];
    builder.add(time, TraceEventKind::lost, {&victim, 1}, 0);
    victim = builder.node(fmt::format("m{}", machines++));
    builder.add(time, TraceEventKind::join, {&victim, 1}, 0);
  }
  return builder.finish(at(Duration(0)), at(end));
}

Scenario scenario_of() {
  Scenario scenario;
  scenario.model.name = "small";
  scenario.model.layers = 1;
  scenario.model.moe_layers = 1;
  scenario.model.experts = 4;
  scenario.model.expert_parameters = 1000;
  scenario.model.dense_parameters = 1000;
  scenario.training.batch.sequences = 1;
  scenario.training.warm_start = true;
  scenario.until.samples = kSegments * kStepsPerSegment * kNodes;
  scenario.cluster.nodes = kNodes;
  scenario.cluster.slots_per_gpu = 1;
  scenario.at_end = AtEnd::stop;
  return scenario;
}

std::unique_ptr<StepTimer> timer_of(const Setting& setting, const Scenario& scenario) {
  const JsonNode node = parse_json(
      fmt::format(R"({{"model": "fixed", "step": "15s", "checkpoint": "20s", "detection": "{}s",
                      "reschedule": "5s", "process_start": "40s", "group_init": "10s",
                      "load": "5s"}})",
                  setting.detection_s),
      "cost");
  ObjectReader reader(node, "/cost");
  return make_step_timer(reader, {scenario.model, scenario.training, scenario.cluster});
}

class End final : public RunSink {
 public:
  void take(const RunEvent& event) override {
    if (const auto* ended = std::get_if<RunEnded>(&event)) end_ = *ended;
  }
  const RunEnded& end() const { return end_; }

 private:
  RunEnded end_;
};

}  // namespace

TEST_CASE("checkpoint-restart under exponential failures takes Daly's expected time") {
  const Setting setting = GENERATE(Setting{250, 0}, Setting{600, 60}, Setting{2000, 0},
                                   Setting{2000, 60}, Setting{20'000, 60});
  CAPTURE(setting.mtbf_s, setting.detection_s);
  const double expected = expected_seconds(setting, kRestart, kWrite);
  const Scenario scenario = scenario_of();
  const auto timer = timer_of(setting, scenario);
  const Policy policy = read_policy(
      parse_json(
          fmt::format(R"({{"preset": "ds", "checkpoint": {{"kind": "steps", "every": {}}}}})",
                      kStepsPerSegment),
          "policy"),
      "", "ds", nullptr);
  const RoutingLoad routing(1, {{0, [] {
                                   LoadMatrix shares(1, 4);
                                   for (auto& share : shares.values) share = 1;
                                   return shares;
                                 }()}});
  // Far beyond what a run needs: none may end with its trace.
  const Duration end = round_to_duration(20 * expected);
  constexpr int kRuns = 4000;
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    const RngStreams streams(11, static_cast<std::uint64_t>(i));
    const Trace trace = failures(setting.mtbf_s, end, streams.stream("failures"));
    End sink;
    const RunOutcome outcome = run({scenario, policy, trace, routing, *timer, streams}, sink);
    REQUIRE(!outcome.infeasible);
    REQUIRE(sink.end().samples == *scenario.until.samples);
    REQUIRE(sink.end().horizon < trace.end);
    times.push_back(to_seconds(sink.end().horizon));
  }
  const Interval interval = mean_interval(times, 0.999);
  CAPTURE(expected, mean(times), interval.low, interval.high);
  CHECK(interval.low < expected);
  CHECK(expected < interval.high);
  if (setting.mtbf_s > 5000) return;
  // The interval is narrow enough to tell the formula from its neighbours.
  CHECK(expected_seconds(setting, 0, kWrite) < interval.low);
  CHECK(expected_seconds(setting, kRestart, 0) < interval.low);
  if (setting.detection_s == 0) return;
  CHECK(expected_seconds({setting.mtbf_s, 0}, kRestart, kWrite) < interval.low);
}

}  // namespace bethany
