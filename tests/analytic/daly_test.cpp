#include <fmt/format.h>

#include <cmath>

#include "sim/base/json.h"
#include "sim/base/statistics.h"
#include "sim/cost/cost_model.h"
#include "sim/training/job.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

// Checkpoint-restart under exponential failures, mean time M between them, has an exact expected
// completion time (Daly 2006, eq. 13, with this job's rules put in).
//
// One segment is work τ and the write δ of its checkpoint, together A. A failure at any time loses
// the segment: steps since the last usable checkpoint are rolled back, and an interrupted write
// leaves the previous one. Then, by DESIGN §4.5,
// - detection takes D; further failures meanwhile join the same disruption and the clock runs on
//   (rule 4), so D passes once whatever happens;
// - the restart takes R (reschedule, process_start, group_init, load); a failure during it is a new
//   disruption: detection, then the restart from its first stage;
// - the segment begins anew.
// Failures have no memory, so when detection ends the time to the next one is exponential again,
// and an attempt after a failure needs R + A free of failures. Let T1 be the time that is still
// needed when a failure has just happened, X exponential with mean M, a = R + A:
//   E[T1] = D + E[min(X, a)] + P(X < a) E[T1],   E[min(X, a)] = M (1 − e^(−a/M))
//   E[T1] = D e^(a/M) + M (e^(a/M) − 1).
// The first attempt of a segment follows at once on the last one's checkpoint, without R:
//   E[T] = M (1 − e^(−A/M)) + (1 − e^(−A/M)) E[T1] = (M + D) e^(R/M) (e^(A/M) − 1).
// With D = 0 that is Daly's M e^(R/M) (e^((τ+δ)/M) − 1). The last segment of a run ends with its
// last step, so its A is τ alone. The start is warm: free. Every run trains equally many samples,
// so samples / E[T] is the goodput over many runs.

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
  const auto segment = [&](double length) {
    return (setting.mtbf_s + setting.detection_s) * std::exp(restart / setting.mtbf_s) *
           std::expm1(length / setting.mtbf_s);
  };
  return (kSegments - 1) * segment(kWork + write) + segment(kWork);
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
