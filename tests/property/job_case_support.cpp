#include "tests/property/job_case.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/base/json.h"

namespace bethany {
namespace {

constexpr std::int64_t kSequenceLength = 16;

Duration milliseconds(std::int64_t count) { return Duration(count * 1'000'000); }

const char* name_of(AtEnd at_end) {
  switch (at_end) {
    case AtEnd::hold:
      return "hold";
    case AtEnd::stop:
      return "stop";
    case AtEnd::repeat:
      return "repeat";
  }
  return "?";
}

Scenario scenario_of(const JobCase& job) {
  Scenario scenario;
  scenario.name = "case";
  scenario.seed = 1;
  scenario.model.name = "small";
  scenario.model.layers = job.layers;
  scenario.model.moe_layers = job.layers;
  scenario.model.hidden = 8;
  scenario.model.experts = job.experts;
  scenario.model.top_k = 1;
  scenario.model.expert_parameters = 1000;
  scenario.model.dense_parameters = 5000;
  scenario.model.dense_matmul_parameters = 5000;
  scenario.model.attention_flop_per_context = 10;
  scenario.training.sequence_length = kSequenceLength;
  scenario.training.batch = {job.global_batch, job.sequences, job.accumulation};
  scenario.training.warm_start = job.warm;
  if (job.until_ms) scenario.until.time = milliseconds(*job.until_ms);
  scenario.until.samples = job.until_samples;
  scenario.until.tokens = job.until_tokens;
  scenario.cluster.nodes = job.nodes;
  scenario.cluster.node_type.name = "small";
  scenario.cluster.node_type.gpus = job.gpus;
  scenario.cluster.slots_per_gpu = job.slots_per_gpu;
  scenario.cluster.startup_delay = milliseconds(job.startup_ms);
  for (std::size_t machine = 0; machine < job.domains.size(); ++machine) {
    if (job.domains[machine] < 0) continue;
    const auto name = fmt::format("d{}", job.domains[machine]);
    auto& domains = scenario.cluster.domains;
    auto domain = std::find_if(domains.begin(), domains.end(),
                               [&](const FailureDomain& one) { return one.name == name; });
    if (domain == domains.end()) domain = domains.insert(domain, FailureDomain{name, {}, {}});
    domain->nodes.push_back(fmt::format("m{}", machine));
  }
  scenario.at_end = job.at_end;
  return scenario;
}

/// The rows as trace events; neighbours of one instant and kind are one event.
Trace trace_of(const JobCase& job) {
  TraceBuilder builder("case");
  std::vector<bool> there;
  std::vector<bool> slow;
  int alive = 0;
  SimTime time;
  TraceEventKind kind = TraceEventKind::join;
  double factor = 1;
  std::vector<NodeId> bulk;
  const auto flush = [&] {
    const SimTime deadline = kind == TraceEventKind::notice ? time + milliseconds(1) : kNever;
    if (!bulk.empty()) builder.add(time, kind, bulk, 0, "", deadline, factor);
    bulk.clear();
  };
  for (const auto& row : job.rows) {
    const auto machine = static_cast<std::size_t>(row.machine);
    if (machine >= there.size()) there.resize(machine + 1);
    if (machine >= slow.size()) slow.resize(machine + 1);
    const bool joins = !there[machine];
    const bool speaks_only = row.notice || row.speed > 0;
    if (joins && (speaks_only || alive == job.nodes)) continue;
    if (row.speed == 1 && !slow[machine]) continue;
    const double row_factor = row.speed > 0 ? row.speed : 1;
    const auto row_kind = row.notice       ? TraceEventKind::notice
                          : row.speed == 1 ? TraceEventKind::normal
                          : row.speed > 0  ? TraceEventKind::slow
                          : joins          ? TraceEventKind::join
                                           : TraceEventKind::lost;
    const NodeId node = builder.node(fmt::format("m{}", row.machine));
    const bool named = std::find(bulk.begin(), bulk.end(), node) != bulk.end();
    const bool other = row_kind != kind || row_factor != factor;
    if (named || other || at(milliseconds(row.ms)) != time) flush();
    time = at(milliseconds(row.ms));
    kind = row_kind;
    factor = row_factor;
    bulk.push_back(node);
    if (row.notice) continue;
    slow[machine] = row_factor < 1;
    if (speaks_only) continue;
    there[machine] = joins;
    alive += joins ? 1 : -1;
  }
  flush();
  return builder.finish(at(Duration(0)), at(milliseconds(job.trace_end_ms)));
}

RoutingLoad routing_of(const JobCase& job) {
  Rng rng = RngStreams(job.routing_seed, 0).stream("loads");
  std::vector<RoutingLoad::Entry> entries;
  for (std::int64_t i = 0; i < job.routing_entries; ++i) {
    RoutingLoad::Entry entry{i * job.routing_every, LoadMatrix(job.layers, job.experts)};
    // Squares: some experts are much hotter than others, so that replica counts differ.
    for (auto& value : entry.shares.values) {
      const auto root = static_cast<std::int64_t>(rng.below(20) + 1);
      value = root * root;
    }
    entries.push_back(std::move(entry));
  }
  return RoutingLoad(1, std::move(entries));
}

std::unique_ptr<StepTimer> timer_of(const JobCase& job, const Scenario& scenario) {
  const JsonNode node = parse_json(cost_text(job), "case");
  ObjectReader reader(node, "/cost");
  return make_step_timer(reader, {scenario.model, scenario.training, scenario.cluster});
}

}  // namespace

std::string cost_text(const JobCase& job) {
  std::string step;
  for (int nodes = 1; nodes <= job.nodes; ++nodes) {
    const std::size_t last = job.step_ms.size() - 1;
    const auto index = std::min(last, static_cast<std::size_t>(nodes - 1));
    step += fmt::format("{}\"{}\": \"{}ms\"", nodes == 1 ? "" : ", ", nodes, job.step_ms[index]);
  }
  std::string text = fmt::format("{{\"model\": \"fixed\", \"step\": {{{}}}", step);
  const auto add = [&](const char* key, std::int64_t ms) {
    text += fmt::format(", \"{}\": \"{}ms\"", key, ms);
  };
  add("checkpoint", job.checkpoint_ms);
  add("detection", job.detection_ms);
  add("planning", job.planning_ms);
  add("communicator", job.communicator_ms);
  add("transfer", job.transfer_ms);
  add("reschedule", job.reschedule_ms);
  add("process_start", job.process_start_ms);
  add("group_init", job.group_init_ms);
  add("load", job.load_ms);
  add("rebalance_communicator", job.rebalance_communicator_ms);
  return text + "}";
}

std::string policy_text(const JobCase& job) {
  std::string text =
      fmt::format("{{\"preset\": \"{}\", \"fault_threshold\": {}", job.preset, job.fault_threshold);
  const auto add = [&](const char* key, const std::string& value) {
    text += fmt::format(", \"{}\": {}", key, value);
  };
  const auto with = [](const char* kind, const char* key, const std::string& value) {
    return fmt::format("{{\"kind\": \"{}\", \"{}\": {}}}", kind, key, value);
  };
  add("layer_order", "\"" + job.layer_order + "\"");
  add("binding", "\"" + job.binding + "\"");
  if (!job.placement.empty()) add("placement", "\"" + job.placement + "\"");
  if (!job.on_loss.empty()) {
    add("on_loss", job.on_loss.front() == '{' ? job.on_loss : "\"" + job.on_loss + "\"");
  }
  if (job.minimum_nodes) add("minimum_nodes", std::to_string(*job.minimum_nodes));
  if (job.checkpoint_steps) {
    add("checkpoint", with("steps", "every", std::to_string(*job.checkpoint_steps)));
  } else if (job.checkpoint_interval_ms) {
    add("checkpoint",
        with("interval", "every", fmt::format("\"{}ms\"", *job.checkpoint_interval_ms)));
  } else {
    add("checkpoint", "\"none\"");
  }
  add("rebalance", job.rebalance_steps
                       ? with("steps", "every", std::to_string(*job.rebalance_steps))
                       : "\"never\"");
  if (!job.gather_ms) {
    add("membership", "\"at-restart\"");
  } else if (*job.gather_ms == 0) {
    add("membership", "\"eager\"");
  } else {
    add("membership", with("gather", "wait", fmt::format("\"{}ms\"", *job.gather_ms)));
  }
  if (job.evict_after_ms) {
    add("straggler", fmt::format(R"({{"kind": "evict", "below": {}, "after": "{}ms"}})",
                                 job.evict_below, *job.evict_after_ms));
  }
  return text + "}";
}

std::string text_of(const JobCase& job) {
  std::string text = fmt::format(
      "cluster: {} nodes of {} GPU x {} slots, startup_delay {}ms; model: {} layers, {} experts\n",
      job.nodes, job.gpus, job.slots_per_gpu, job.startup_ms, job.layers, job.experts);
  if (!job.domains.empty()) text += "domains by machine:";
  for (const int domain : job.domains) text += fmt::format(" {}", domain);
  if (!job.domains.empty()) text += "\n";
  text +=
      fmt::format("batch: {} {} x {}, start {}, at_end {}", job.global_batch ? "global" : "per_gpu",
                  job.sequences, job.accumulation, job.warm ? "warm" : "cold", name_of(job.at_end));
  if (job.until_ms) text += fmt::format(", until {}ms", *job.until_ms);
  if (job.until_samples) text += fmt::format(", until {} samples", *job.until_samples);
  if (job.until_tokens) text += fmt::format(", until {} tokens", *job.until_tokens);
  text += fmt::format("\nrouting: {} entries of {} steps, seed {}\n", job.routing_entries,
                      job.routing_every, job.routing_seed);
  text += "cost: " + cost_text(job) + "\npolicy: " + policy_text(job) + "\n";
  const Trace trace = trace_of(job);
  text += fmt::format("trace: {}s", to_seconds(trace.start));
  for (const TraceEvent& event : trace.events) {
    text += fmt::format("; {}s {}", to_seconds(event.time), bethany::name_of(event.kind));
    for (const NodeId node : trace.nodes_of(event)) text += fmt::format(" n{}", node.value);
    if (event.kind == TraceEventKind::slow) text += fmt::format(" {}", event.factor);
  }
  return text + fmt::format("; end {}s\n", to_seconds(trace.end));
}

BuiltJob::BuiltJob(const JobCase& job)
    : scenario_(scenario_of(job)),
      policy_(read_policy(parse_json(policy_text(job), "case"), "/policies/case", "case", nullptr)),
      trace_(trace_of(job)),
      routing_(routing_of(job)),
      timer_(timer_of(job, scenario_)) {}

}  // namespace bethany
