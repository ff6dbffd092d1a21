#include "gpu/validate/case_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/base/check.h"
#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/training/job.h"

namespace bethany {
namespace {

constexpr std::int64_t kWeight = 1'000'000;  // of the most loaded expert
constexpr std::int64_t kTurns = 6;           // of a drifting load
constexpr std::int64_t kBurst = 6;           // how many others the burst is worth

/// A virtual node: one rank of a machine that all ranks share. Its figures are only the fallback of
/// constants that the profile lacks.
NodeType rank_type() {
  NodeType type = *find_node_type("rtx3090-100g");
  type.name = "rank";
  type.gpus = 1;
  type.nic_shared_by = 1;
  return type;
}

Scenario scenario_of(const Case& made, const CaseWorld& world) {
  Scenario scenario;
  scenario.name = made.setting();
  scenario.seed = made.seed;
  scenario.model = model_of(world.stack);
  scenario.training.sequence_length = world.stack.sequence_length;
  scenario.training.batch = {.global = false, .sequences = world.sequences, .accumulation = 1};
  // Weights are floats, and so their own master.
  scenario.training.precision = {
      .weight_bytes = 4, .gradient_bytes = 4, .master_bytes = 0, .optimizer_bytes = 8};
  scenario.training.warm_start = true;
  scenario.cluster.nodes = made.nodes;
  scenario.cluster.node_type = rank_type();
  scenario.cluster.slots_per_gpu = world.slots;
  scenario.cluster.memory_check = false;
  scenario.cluster.storage = {.read = {1e9}, .write = {1e9}};
  scenario.until.samples = world.steps * made.nodes * world.sequences;
  scenario.at_end = AtEnd::hold;
  return scenario;
}

Cost cost_of(const CaseWorld& world, const Scenario& scenario, JsonNode* effective = nullptr) {
  ObjectReader reader(world.cost, "/cost", effective);
  return read_cost(reader, {scenario.model, scenario.training, scenario.cluster});
}

/// The policy with intervals that fit a short run: presets checkpoint and rebalance every few
/// hundred steps, and gather joining nodes for minutes.
Policy policy_of(const std::string& name, const CaseWorld& world) {
  JsonNode none;
  none.kind = JsonNode::Kind::object;
  JsonNode node = policy_from_text(name, none);
  JsonNode effective;
  read_policy(node, "/policies/" + name, name, &effective);
  const auto shorten = [&](const char* part, std::int64_t every) {
    const auto* kind = effective.find(part)->find("kind");
    if (kind == nullptr || kind->text != "steps") return;
    JsonNode value;
    value.member("kind") = JsonNode::of("steps");
    value.member("every") = JsonNode::of(every);
    node.member(part) = std::move(value);
  };
  shorten("checkpoint", world.checkpoint_every);
  shorten("rebalance", world.rebalance_every);
  node.member("membership") = JsonNode::of("eager");
  return read_policy(node, "/policies/" + name, name, nullptr);
}

/// Weights of a Zipf load of exponent 1, in the order given.
void fill_zipf(const std::vector<int>& order, std::span<std::int64_t> row) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    row[static_cast<std::size_t>(order[i])] = kWeight / static_cast<std::int64_t>(i + 1);
  }
}

}  // namespace

MoeModel model_of(const StackShape& stack) {
  const std::int64_t hidden = stack.hidden;
  MoeModel model;
  model.name = fmt::format("stack-{}x{}", stack.hidden, stack.ffn);
  model.layers = stack.layers;
  model.moe_layers = stack.layers;
  model.hidden = stack.hidden;
  model.experts = stack.experts;
  model.top_k = stack.top_k;
  model.expert_parameters = stack.expert_parameters();
  model.dense_matmul_parameters = stack.layers * (4 * hidden * hidden + hidden * stack.experts);
  model.dense_parameters = stack.dense_parameters();
  model.attention_flop_per_context = 4 * hidden;
  model.source = "the stack that bethany-gpu trains";
  return model;
}

Trace failure_trace(const std::string& failures, int nodes, const CaseClock& clock,
                    std::int64_t steps) {
  TraceBuilder builder("failure schedule");
  builder.header().name = failures;
  std::vector<NodeId> all;
  for (int i = 1; i <= nodes; ++i) all.push_back(builder.node(fmt::format("node{}", i)));
  builder.add(SimTime(), TraceEventKind::join, all, 0);
  // Within a step of the second quarter of the run, off the grid of steps.
  const SimTime lost = at(clock.step * (steps / 3) + clock.step / 2);
  const auto lose = [&](SimTime time, std::vector<NodeId> gone) {
    builder.add(time, TraceEventKind::lost, gone, 0);
  };
  // Not the first nodes: those lead experts, and ids break ties.
  const NodeId first = all[1];
  const NodeId second = all[static_cast<std::size_t>(nodes) - 1];
  if (failures == "one" || failures == "rejoin") {
    lose(lost, {first});
  } else if (failures == "two") {
    lose(lost, {first, second});
  } else if (failures == "cascade") {
    lose(lost, {first});
    lose(lost + clock.detection + clock.reconfiguration / 2, {second});
  } else {
    BETHANY_CHECK(failures == "none", "the failure schedule {}", failures);
  }
  if (failures == "rejoin") {
    const SimTime back =
        lost + clock.detection + 2 * clock.reconfiguration + clock.step * (steps / 6);
    builder.add(back, TraceEventKind::join, std::vector<NodeId>{first}, 0);
  }
  return builder.finish(SimTime(), at(kLongest / 2));
}

RoutingLoad routing_of(const std::string& routing, const StackShape& stack, std::int64_t steps,
                       std::uint64_t seed) {
  BETHANY_CHECK(steps >= 10, "a routing load for {} steps", steps);
  const RngStreams streams(seed, 0);
  std::vector<std::vector<int>> orders(static_cast<std::size_t>(stack.layers));
  for (std::size_t layer = 0; layer < orders.size(); ++layer) {
    orders[layer].resize(static_cast<std::size_t>(stack.experts));
    std::iota(orders[layer].begin(), orders[layer].end(), 0);
    auto stream = streams.stream("validation routing", layer);
    stream.shuffle(orders[layer]);
  }
  std::vector<RoutingLoad::Entry> entries;
  const auto add = [&](std::int64_t step, const auto& fill) {
    LoadMatrix shares(stack.layers, stack.experts);
    for (int layer = 0; layer < stack.layers; ++layer) {
      fill(orders[static_cast<std::size_t>(layer)], shares.row(layer));
    }
    entries.push_back({step, std::move(shares)});
  };
  const auto even = [](const std::vector<int>&, std::span<std::int64_t> row) {
    std::fill(row.begin(), row.end(), kWeight);
  };
  if (routing == "balanced") {
    add(0, even);
  } else if (routing == "zipf") {
    add(0, fill_zipf);
  } else if (routing == "drifting") {
    for (std::int64_t turn = 0; turn < kTurns; ++turn) {
      add(turn * steps / kTurns, fill_zipf);
      for (auto& order : orders) std::rotate(order.begin(), order.begin() + 1, order.end());
    }
  } else {
    BETHANY_CHECK(routing == "burst", "the routing {}", routing);
    add(0, even);
    for (const std::int64_t tenth : {3, 6}) {
      add(tenth * steps / 10, [&](const std::vector<int>& order, std::span<std::int64_t> row) {
        even(order, row);
        row[static_cast<std::size_t>(order.front())] = kBurst * kWeight;
      });
      add((tenth + 1) * steps / 10, even);
    }
  }
  return {stack.top_k, std::move(entries)};
}

CaseClock case_clock(const CaseWorld& world, int nodes) {
  /// The first step's length is all that is wanted.
  struct FirstStep final : RunSink {
    Duration step{0};
    void take(const RunEvent& event) override {
      const auto* steps = std::get_if<StepsCommitted>(&event);
      if (steps != nullptr && step.count() == 0) step = steps->step_time;
    }
  };
  CaseWorld one = world;
  one.steps = 1;
  const Case plain{"lazarus", "balanced", nodes, "none", 1};
  const Scenario scenario = scenario_of(plain, one);
  const Cost cost = cost_of(one, scenario);
  const Policy policy = policy_of(plain.policy, one);
  const Trace trace = failure_trace("none", nodes, {}, 1);
  const RoutingLoad routing = routing_of("balanced", world.stack, world.steps, 1);
  FirstStep sink;
  const auto outcome = run({.scenario = scenario,
                            .policy = policy,
                            .trace = trace,
                            .routing = routing,
                            .timer = *cost.timer,
                            .streams = RngStreams(1, 0)},
                           sink);
  BETHANY_CHECK(!outcome.infeasible && sink.step.count() > 0, "no step of lazarus on {} nodes",
                nodes);
  return {.step = sink.step,
          .detection = cost.timer->detection(),
          .reconfiguration = cost.timer->planning(nodes - 1) + cost.timer->communicator(nodes - 1)};
}

CaseInput make_case_input(const Case& made, const CaseWorld& world) {
  Scenario scenario = scenario_of(made, world);
  JsonNode effective;
  Cost cost = cost_of(world, scenario, &effective);
  return {
      .scenario = std::move(scenario),
      .policy = policy_of(made.policy, world),
      .trace = failure_trace(made.failures, made.nodes, case_clock(world, made.nodes), world.steps),
      .routing = routing_of(made.routing, world.stack, world.steps, made.seed),
      .cost = std::move(cost),
      .effective_cost = std::move(effective)};
}

}  // namespace bethany
