#include <map>
#include <set>
#include <tuple>
#include <variant>

#include "tests/property/naive_state.h"

namespace bethany {

NaiveState::NaiveState(const JobInput& input) : in_(input) {
  const MoeModel& model = in_.scenario.model;
  const std::int64_t state = in_.scenario.training.precision.state_bytes();
  sizes_.dense_bytes = model.dense_parameters * state;
  sizes_.expert_bytes = model.expert_parameters * state;
  sizes_.checkpoint_bytes =
      sizes_.dense_bytes + sizes_.expert_bytes * model.moe_layers * model.experts;
  makes_plans_ =
      in_.policy.on_loss->recovers_in_place() || in_.policy.rebalance->every_steps().has_value();
}

PlacementShape NaiveState::shape(int nodes) const {
  const Cluster& cluster = in_.scenario.cluster;
  PlacementShape shape;
  shape.nodes = nodes;
  shape.gpus_per_node = cluster.node_type.gpus;
  shape.slots_per_gpu = cluster.slots_per_gpu;
  shape.experts = in_.scenario.model.experts;
  shape.nodes_per_server = cluster.node_type.nodes_per_server();
  shape.fault_threshold = in_.policy.fault_threshold;
  return shape;
}

bool NaiveState::fits_cluster() const {
  const int nodes = in_.scenario.cluster.nodes;
  const int usable = in_.policy.allocation->usable_nodes(shape(nodes), nodes);
  const LoadMatrix loads = in_.routing.observed(0);
  return !std::holds_alternative<Infeasible>(
      in_.policy.allocation->allocate(shape(usable), loads.row(0)));
}

bool NaiveState::gives(const char* word, bool allocation_too) const {
  for (const auto& given : in_.policy.placement->capabilities().gives) {
    if (given == word) return true;
  }
  if (!allocation_too) return false;
  for (const auto& given : in_.policy.allocation->capabilities().gives) {
    if (given == word) return true;
  }
  return false;
}

std::vector<std::int32_t> NaiveState::domains_of(const NodeSet& members) const {
  std::vector<std::string> names;  // of the domains met so far
  std::vector<std::int32_t> result;
  for (const NodeId node : members) {
    const std::string& machine = in_.trace.node_names[static_cast<std::size_t>(node.value)];
    std::string domain = "machine " + machine;
    for (const auto& one : in_.scenario.cluster.domains) {
      for (const auto& name : one.nodes) {
        if (name == machine) domain = "domain " + one.name;
      }
    }
    std::size_t index = 0;
    while (index < names.size() && names[index] != domain) ++index;
    if (index == names.size()) names.push_back(domain);
    result.push_back(static_cast<std::int32_t>(index));
  }
  return result;
}

NaiveTarget NaiveState::plan_for(PlanCause cause, const NodeSet& members, StateFrom from,
                                 std::int64_t committed) {
  NaiveTarget target;
  target.cause = cause;
  if (!makes_plans_) return target;
  Rng rng = in_.streams.stream("placement", plans_made_++);
  const std::vector<NodeId> machines(members.begin(), members.end());
  Holdings holdings;
  if (from == StateFrom::members) holdings.plan = plan_.get();
  for (const NodeId node : machines) {
    const auto place = place_of_.find(node);
    const bool holds = from == StateFrom::members && place != place_of_.end();
    holdings.place_of.push_back(holds ? place->second : -1);
  }
  // Whoever is still there sends what it holds.
  for (const auto& [node, place] : place_of_) {
    if (from == StateFrom::members && members.count(node) == 0) holdings.place_of.push_back(place);
  }
  PlacementShape question = shape(static_cast<int>(members.size()));
  BindingRules rules;
  rules.method = in_.policy.binding;
  if (gives(kDomainPlan, false) && !in_.scenario.cluster.domains.empty()) {
    question.domain_of_node = domains_of(members);
    rules.domain_of = question.domain_of_node;
  }
  PreviousPlan previous;
  if (gives(kHistoryPlan, true) && holdings.plan != nullptr) {
    previous.plan = *holdings.plan;
    for (std::size_t i = 0; i < machines.size(); ++i) {
      previous.place_of.push_back(holdings.place_of[i]);
    }
    question.previous = &previous;
  }
  const auto made = make_plan(*in_.policy.allocation, *in_.policy.placement, question,
                              in_.policy.layer_order, in_.routing.observed(committed), rng);
  if (std::holds_alternative<Infeasible>(made)) throw NaiveNoPlan{};
  target.plan = std::make_shared<const PlacementPlan>(std::get<PlacementPlan>(made));
  const bool stays = gives(kHistoryPlan, false) && rules.method == BindingMethod::greedy;
  const Binding binding = stays ? keep_places(*target.plan, holdings, sizes_)
                                : bind_plan(*target.plan, holdings, sizes_, rules);
  for (const int machine : binding.machine_of_place) {
    target.machine_of_place.push_back(machines[static_cast<std::size_t>(machine)]);
  }
  target.transfer = binding.summary;
  return target;
}

namespace {

/// The experts on each (machine, GPU, layer), with their copies.
using OnGpus = std::map<std::tuple<NodeId, int, int>, std::multiset<int>>;

void add_place(const PlacementPlan& plan, int place, NodeId machine, OnGpus& on_gpus) {
  const int per_gpu = plan.slots_per_node / plan.gpus_per_node;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    const auto slots = plan.node_slots(layer, place);
    for (int slot = 0; slot < plan.slots_per_node; ++slot) {
      on_gpus[{machine, slot / per_gpu, layer}].insert(slots[static_cast<std::size_t>(slot)]);
    }
  }
}

}  // namespace

bool NaiveState::changes_nothing(const NaiveTarget& target) const {
  OnGpus after;
  for (int place = 0; place < target.plan->nodes; ++place) {
    const auto machine = target.machine_of_place[static_cast<std::size_t>(place)];
    add_place(*target.plan, place, machine, after);
  }
  OnGpus before;
  for (const auto& [machine, place] : place_of_) add_place(*plan_, place, machine, before);
  return before == after;
}

void NaiveState::complete(const NaiveTarget& target, const NodeSet& members) {
  ever_completed_ = true;
  configuration_ = members;
  lost_.clear();
  plan_ = target.plan;
  place_of_.clear();
  holders_.clear();
  if (!plan_) return;
  for (int place = 0; place < plan_->nodes; ++place) {
    const NodeId node = target.machine_of_place[static_cast<std::size_t>(place)];
    place_of_[node] = place;
    for (int layer = 0; layer < static_cast<int>(plan_->layers.size()); ++layer) {
      for (const std::int32_t expert : plan_->node_slots(layer, place)) {
        if (expert != kVacant) holders_[{layer, expert}].insert(node);
      }
    }
  }
}

void NaiveState::lose(NodeId node) {
  if (configuration_.count(node) != 0) lost_.insert(node);
  place_of_.erase(node);
  for (auto& [expert, nodes] : holders_) nodes.erase(node);
}

NaiveContent NaiveState::content_of(NodeId node) const {
  NaiveContent content;
  for (const auto& [expert, nodes] : holders_) {
    if (nodes.count(node) != 0) content.insert(expert);
  }
  return content;
}

NodeSet NaiveState::survivors_of(const NodeSet& nodes) const {
  const int all = static_cast<int>(nodes.size());
  const int count = in_.policy.allocation->usable_nodes(shape(all), all);
  NodeSet chosen;
  while (static_cast<int>(chosen.size()) < count) {
    std::set<NaiveContent> seen;
    for (const NodeId node : nodes) {
      const NaiveContent content = content_of(node);
      if (chosen.count(node) != 0 || content.empty() || !seen.insert(content).second) continue;
      if (static_cast<int>(chosen.size()) < count) chosen.insert(node);
    }
    if (!seen.empty()) continue;
    for (const NodeId node : nodes) {
      if (static_cast<int>(chosen.size()) < count) chosen.insert(node);
    }
  }
  return chosen;
}

bool NaiveState::complete_state(const NodeSet& nodes) const {
  const MoeModel& model = in_.scenario.model;
  for (int layer = 0; layer < model.moe_layers; ++layer) {
    for (int expert = 0; expert < model.experts; ++expert) {
      bool held = false;
      for (const NodeId node : nodes) {
        const auto holders = holders_.find({layer, expert});
        held = held || (holders != holders_.end() && holders->second.count(node) != 0);
      }
      if (!held) return false;
    }
  }
  return true;
}

}  // namespace bethany
