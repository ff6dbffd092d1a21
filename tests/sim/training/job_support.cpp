#include "tests/sim/training/job_support.h"

#include <sstream>

#include "tests/support/catch.h"

namespace bethany {

void Collected::take(const RunEvent& event) {
  events.push_back(event);
  if (const auto* decided = std::get_if<RecoveryDecided>(&event)) disruptions.push_back(*decided);
  if (const auto* undone = std::get_if<RolledBack>(&event)) {
    steps_discarded += undone->from_step - undone->to_step;
  }
  if (const auto* ended = std::get_if<RunEnded>(&event)) end = *ended;
}

Trace SmallJob::make_trace() const {
  TraceBuilder builder("test trace");
  builder.header().name = "test";
  std::istringstream rows(trace);
  std::string row;
  SimTime last;
  while (std::getline(rows, row, ';')) {
    std::istringstream words(row);
    double seconds = 0;
    std::string event;
    words >> seconds >> event;
    std::vector<NodeId> names;
    std::string name;
    while (words >> name) names.push_back(builder.node(name));
    last = at(round_to_duration(seconds));
    const bool slow = event.rfind("slow:", 0) == 0;
    const auto kind = slow                ? TraceEventKind::slow
                      : event == "join"   ? TraceEventKind::join
                      : event == "normal" ? TraceEventKind::normal
                                          : TraceEventKind::lost;
    builder.add(last, kind, names, 0, "", kNever, slow ? std::stod(event.substr(5)) : 1);
  }
  return builder.finish(SimTime(), last);
}

RunOutcome SmallJob::run_into(RunSink& sink, bool step_by_step) {
  scenario.model.name = "small";
  scenario.model.layers = moe_layers;
  scenario.model.moe_layers = moe_layers;
  scenario.model.hidden = 16;
  scenario.model.experts = experts;
  scenario.model.expert_parameters = 1000;
  scenario.model.dense_parameters = 1000;
  if (scenario.training.batch.sequences == 0) scenario.training.batch.sequences = 4;
  scenario.training.warm_start = warm_start;
  if (!scenario.until.given() && !until_time.empty()) {
    scenario.until.time = parse_duration(until_time);
  }
  scenario.cluster.nodes = nodes;
  scenario.cluster.slots_per_gpu = slots;
  scenario.cluster.startup_delay = startup_delay;
  scenario.at_end = at_end;
  auto entries = routing;
  if (entries.empty()) {
    LoadMatrix uniform(moe_layers, experts);
    uniform.values.assign(uniform.values.size(), 1);
    entries.push_back({0, uniform});
  }
  const RoutingLoad load(1, entries);
  const auto cost_node = parse_json(cost, "cost");
  ObjectReader cost_reader(cost_node, "/cost");
  const auto timer =
      make_step_timer(cost_reader, {scenario.model, scenario.training, scenario.cluster});
  const auto made = read_policy(parse_json(policy, "policy"), "", "test", nullptr);
  const auto replayed = make_trace();
  return bethany::run({.scenario = scenario,
                       .policy = made,
                       .trace = replayed,
                       .routing = load,
                       .timer = *timer,
                       .streams = RngStreams(1, 0),
                       .step_by_step = step_by_step},
                      sink);
}

Collected SmallJob::run(bool step_by_step) {
  Collected sink;
  const auto outcome = run_into(sink, step_by_step);
  INFO(outcome.infeasible.value_or(""));
  REQUIRE_FALSE(outcome.infeasible);
  return sink;
}

std::string SmallJob::infeasible() {
  Collected sink;
  return run_into(sink, false).infeasible.value_or("");
}

Int128 node_s(std::int64_t seconds) { return Int128{seconds} * 1'000'000'000; }

Int128 blocked(const Collected& run, Blocked bucket) {
  return run.end.ledger.blocked[static_cast<std::size_t>(bucket)];
}

Int128 unavailable(const Collected& run, Unavailable bucket) {
  return run.end.ledger.unavailable[static_cast<std::size_t>(bucket)];
}

}  // namespace bethany
