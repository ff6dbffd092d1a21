#include "sim/training/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/placement/domains.h"
#include "sim/training/plan_memory.h"

namespace bethany {
namespace {

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool gives(const Capabilities& capabilities, std::string_view word) {
  return has_word(capabilities.gives, word);
}

/// The cluster's domains as a tree over the node ids of the trace; names it lacks are left out.
std::vector<PlanDomain> domains_of(const std::vector<FailureDomain>& domains,
                                   const std::map<std::string_view, std::int32_t>& ids) {
  std::vector<PlanDomain> tree;
  for (const auto& domain : domains) {
    tree.push_back({domain.name, {}, domains_of(domain.domains, ids)});
    for (const auto& name : domain.nodes) {
      const auto id = ids.find(name);
      if (id != ids.end()) tree.back().nodes.push_back(id->second);
    }
  }
  return tree;
}

std::vector<std::int32_t> domain_of_machines(const JobInput& input) {
  std::map<std::string_view, std::int32_t> ids;
  for (const auto& name : input.trace.node_names) {
    ids.emplace(name, static_cast<std::int32_t>(ids.size()));
  }
  return domain_of_nodes(domains_of(input.scenario.cluster.domains, ids),
                         static_cast<int>(ids.size()));
}

}  // namespace

bool same_placement(const Configuration& a, const Configuration& b) {
  if (a.plan == b.plan && a.machine_of_place == b.machine_of_place) return true;
  if (a.plan == nullptr || b.plan == nullptr || a.nodes != b.nodes) return false;
  std::map<NodeId, int> place_in_b;
  for (int place = 0; place < b.nodes; ++place) {
    place_in_b.emplace(b.machine_of_place[static_cast<std::size_t>(place)], place);
  }
  for (int place = 0; place < a.nodes; ++place) {
    const auto other = place_in_b.find(a.machine_of_place[static_cast<std::size_t>(place)]);
    if (other == place_in_b.end()) return false;
    for (int layer = 0; layer < static_cast<int>(a.plan->layers.size()); ++layer) {
      const auto own = a.plan->node_slots(layer, place);
      const auto others = b.plan->node_slots(layer, other->second);
      if (!std::equal(own.begin(), own.end(), others.begin(), others.end())) return false;
    }
  }
  return true;
}

StateSizes state_sizes(const Scenario& scenario) {
  const auto& model = scenario.model;
  const std::int64_t per_parameter = scenario.training.precision.state_bytes();
  StateSizes sizes;
  sizes.dense_bytes = model.dense_parameters * per_parameter;
  sizes.expert_bytes = model.expert_parameters * per_parameter;
  sizes.checkpoint_bytes = model.parameters() * per_parameter;
  return sizes;
}

Planner::Planner(const JobInput& input)
    : input_(input),
      makes_plans_(input.timer.looks_at_traffic() || input.policy.on_loss->recovers_in_place() ||
                   input.policy.rebalance->every_steps().has_value() || input.machines != nullptr),
      draws_random_(input.policy.layer_order == LayerOrder::independent ||
                    gives(input.policy.placement->capabilities(), kRandomPlan)),
      looks_back_(gives(input.policy.allocation->capabilities(), kHistoryPlan) ||
                  gives(input.policy.placement->capabilities(), kHistoryPlan)),
      keeps_places_(gives(input.policy.placement->capabilities(), kHistoryPlan)),
      uses_domains_(!input.scenario.cluster.domains.empty() &&
                    gives(input.policy.placement->capabilities(), kDomainPlan)),
      minimum_nodes_(input.policy.minimum_nodes.value_or(
          input.policy.allocation->minimum_nodes(shape(input.scenario.cluster.nodes)))),
      sizes_(state_sizes(input.scenario)) {
  if (uses_domains_) domain_of_node_ = domain_of_machines(input);
}

PlacementShape Planner::shape(int nodes) const {
  const auto& cluster = input_.scenario.cluster;
  return {.nodes = nodes,
          .gpus_per_node = cluster.node_type.gpus,
          .slots_per_gpu = cluster.slots_per_gpu,
          .experts = input_.scenario.model.experts,
          .nodes_per_server = cluster.node_type.nodes_per_server(),
          .fault_threshold = input_.policy.fault_threshold};
}

std::optional<std::string> Planner::infeasible() const {
  const int target = input_.scenario.cluster.nodes;
  const int needed = input_.policy.allocation->minimum_nodes(shape(target));
  if (needed > target || minimum_nodes_ > target) {
    return fmt::format("needs {} nodes to hold {} experts with {} slots a node; the cluster has {}",
                       std::max(needed, minimum_nodes_), input_.scenario.model.experts,
                       input_.scenario.cluster.slots_per_node(), target);
  }
  if (minimum_nodes_ < needed) {
    return fmt::format("minimum_nodes is {}, but {} experts need {} nodes", minimum_nodes_,
                       input_.scenario.model.experts, needed);
  }
  const int usable = input_.policy.allocation->usable_nodes(shape(target), target);
  const std::vector<std::int64_t> even(static_cast<std::size_t>(input_.scenario.model.experts), 1);
  const auto counts = input_.policy.allocation->allocate(shape(usable), even);
  if (const auto* none = std::get_if<Infeasible>(&counts)) return none->reason;
  if (input_.scenario.training.zero > 0 && input_.policy.on_loss->recovers_in_place()) {
    return std::string(
        "zero 1 shards the optimizer state of the dense part over the ranks, so a lost node takes "
        "some of it along; only on_loss restart can go on");
  }
  return {};
}

int Planner::usable_nodes(int nodes) const {
  return input_.policy.allocation->usable_nodes(shape(nodes), nodes);
}

Configuration Planner::without_plan(int nodes) const {
  Configuration configuration;
  configuration.nodes = nodes;
  return configuration;
}

/// The entry of the routing load that alone decides a plan made now, if the memory may know it.
std::optional<std::int64_t> Planner::remembered_entry(std::int64_t committed) const {
  if (input_.memory == nullptr || draws_random_ || looks_back_ || uses_domains_) return {};
  if (committed == 0) return -1;  // the observed load is uniform
  const auto entry = input_.routing.entry_at(committed - 1);
  const auto first = std::max<std::int64_t>(0, committed - kObservedSteps);
  if (input_.routing.entry_at(first) != entry) return {};
  return static_cast<std::int64_t>(entry);
}

Planner::MadePlan Planner::plan_for(const PlacementShape& shape, std::int64_t committed) {
  Rng rng = input_.streams.stream("placement", decisions_++);
  for (const auto& known : known_plans_) {
    if (known.nodes == shape.nodes && same_plan(known.committed, committed) &&
        known.domain_of_node == shape.domain_of_node) {
      return known.plan;
    }
  }
  const auto entry = remembered_entry(committed);
  auto plan = entry ? input_.memory->plan(shape.nodes, *entry) : nullptr;
  if (plan == nullptr) {
    auto made = make_plan(*input_.policy.allocation, *input_.policy.placement, shape,
                          input_.policy.layer_order, input_.routing.observed(committed), rng);
    if (auto* infeasible = std::get_if<Infeasible>(&made)) return std::move(*infeasible);
    plan = std::make_shared<const PlacementPlan>(std::get<PlacementPlan>(std::move(made)));
    if (entry) input_.memory->keep_plan(shape.nodes, *entry, plan);
  }
  if (looks_back_) return plan;
  known_plans_.push_front({shape.nodes, committed, shape.domain_of_node, plan});
  if (known_plans_.size() > kKnownPlans) known_plans_.pop_back();
  return plan;
}

std::variant<Configuration, Infeasible> Planner::make(const std::vector<NodeId>& machines,
                                                      std::int64_t committed,
                                                      const PlacementPlan* before,
                                                      const std::vector<int>& place_of_machine) {
  const int nodes = static_cast<int>(machines.size());
  auto new_shape = shape(nodes);
  BindingRules rules{.method = input_.policy.binding, .domain_of = {}};
  if (uses_domains_) {
    std::vector<std::int32_t> ids;
    for (const NodeId machine : machines) ids.push_back(machine.value);
    new_shape.domain_of_node = domains_among(domain_of_node_, ids);
    rules.domain_of = new_shape.domain_of_node;
  }
  PreviousPlan previous;
  if (looks_back_ && before != nullptr) {
    previous = {*before, {place_of_machine.begin(), place_of_machine.begin() + nodes}};
    new_shape.previous = &previous;
  }
  auto made = plan_for(new_shape, committed);
  if (auto* infeasible = std::get_if<Infeasible>(&made)) return std::move(*infeasible);
  auto plan = std::get<std::shared_ptr<const PlacementPlan>>(std::move(made));
  const Holdings holdings{.plan = before, .place_of = place_of_machine};
  const bool stays = keeps_places_ && rules.method == BindingMethod::greedy;
  const auto binding =
      stays ? keep_places(*plan, holdings, sizes_) : bind_plan(*plan, holdings, sizes_, rules);
  Configuration configuration;
  configuration.nodes = nodes;
  configuration.plan = std::move(plan);
  configuration.transfer = binding.summary;
  configuration.machine_of_place.reserve(machines.size());
  for (const int machine : binding.machine_of_place) {
    configuration.machine_of_place.push_back(machines[static_cast<std::size_t>(machine)]);
  }
  if (input_.machines != nullptr) {
    for (const auto& transfer : binding.transfers) {
      configuration.fetches.push_back(
          {.from_place = place_of_machine[static_cast<std::size_t>(transfer.from)],
           .to = machines[static_cast<std::size_t>(transfer.to)],
           .layer = transfer.layer,
           .expert = transfer.expert,
           .bytes = transfer.bytes});
    }
  }
  return configuration;
}

bool Planner::same_plan(std::int64_t earlier, std::int64_t later) const {
  return !draws_random_ && !looks_back_ && input_.routing.observed_equal(earlier, later);
}

std::int64_t Planner::samples_per_step(int nodes) const {
  const auto& batch = input_.scenario.training.batch;
  const std::int64_t ranks = std::int64_t{nodes} * input_.scenario.cluster.node_type.gpus;
  return batch.sequences * batch.accumulation * (batch.global ? 1 : ranks);
}

Duration Planner::step_time(const Configuration& configuration, std::int64_t committed,
                            std::vector<SlowPlace> slow) {
  const bool traffic = input_.timer.looks_at_traffic();
  const std::size_t entry = traffic ? input_.routing.entry_at(committed) : 0;
  std::sort(slow.begin(), slow.end(), [&](const SlowPlace& a, const SlowPlace& b) {
    return traffic ? a.place < b.place : a.speed < b.speed;
  });
  if (!traffic && !slow.empty()) slow = {{.place = 0, .speed = slow.front().speed}};
  for (const auto& known : known_steps_) {
    if (known.nodes == configuration.nodes && known.plan == configuration.plan &&
        known.entry == entry && known.slow == slow) {
      return known.time;
    }
  }
  const Duration time = step_cost(configuration, committed, slow).total;
  known_steps_.push_front({configuration.nodes, configuration.plan, entry, std::move(slow), time});
  if (known_steps_.size() > kKnownSteps) known_steps_.pop_back();
  return time;
}

const std::vector<LayerTraffic>& Planner::work_out_traffic(const Configuration& configuration,
                                                           std::int64_t entry) {
  const auto placement_shape = shape(configuration.nodes);
  const auto& shares = input_.routing.entries()[static_cast<std::size_t>(entry)].shares;
  traffic_.resize(configuration.plan->layers.size());
  for (std::size_t layer = 0; layer < traffic_.size(); ++layer) {
    traffic_[layer] =
        input_.policy.dispatch->dispatch(placement_shape, configuration.plan->layers[layer], rows_,
                                         shares.row(static_cast<int>(layer)));
  }
  if (input_.memory != nullptr) {
    input_.memory->keep_traffic(configuration.plan, entry,
                                std::make_shared<const std::vector<LayerTraffic>>(traffic_));
  }
  return traffic_;
}

std::span<const LayerTraffic> Planner::traffic() const {
  if (remembered_traffic_ != nullptr) return *remembered_traffic_;
  return traffic_;
}

CostBreakdown Planner::step_cost(const Configuration& configuration, std::int64_t committed,
                                 const std::vector<SlowPlace>& slow) {
  const auto& training = input_.scenario.training;
  const int ranks = configuration.nodes * input_.scenario.cluster.node_type.gpus;
  StepQuery query;
  query.nodes = configuration.nodes;
  query.ranks = ranks;
  query.accumulation = training.batch.accumulation;
  const std::int64_t sequences = training.batch.sequences;
  query.tokens_per_rank = (training.batch.global ? (sequences + ranks - 1) / ranks : sequences) *
                          training.sequence_length;
  for (const auto& member : slow) query.slowest = std::min(query.slowest, member.speed);
  if (input_.timer.looks_at_traffic() || input_.machines != nullptr) {
    // Global batches are dealt out evenly, the first ranks one sequence more.
    const std::int64_t even = training.batch.global ? sequences / ranks : sequences;
    const std::int64_t more = training.batch.global ? sequences % ranks : 0;
    samples_.resize(static_cast<std::size_t>(ranks));
    rows_.resize(samples_.size());
    for (std::size_t rank = 0; rank < rows_.size(); ++rank) {
      samples_[rank] = even + (static_cast<std::int64_t>(rank) < more ? 1 : 0);
      rows_[rank] = samples_[rank] * training.sequence_length * input_.scenario.model.top_k;
    }
    remembered_traffic_ = nullptr;
    const auto entry = static_cast<std::int64_t>(input_.routing.entry_at(committed));
    if (input_.memory != nullptr) {
      remembered_traffic_ = input_.memory->traffic(configuration.plan, entry);
    }
    query.plan = configuration.plan.get();
    query.layers =
        remembered_traffic_ ? *remembered_traffic_ : work_out_traffic(configuration, entry);
    if (!slow.empty()) {
      speeds_.assign(rows_.size(), 1);
      for (const auto& member : slow) {
        const int gpus = input_.scenario.cluster.node_type.gpus;
        std::fill_n(speeds_.begin() + member.place * gpus, gpus, member.speed);
      }
      query.speeds = speeds_;
    }
  }
  auto cost = input_.timer.step(query);
  BETHANY_CHECK(cost.total > Duration(0), "a step of {} ns on {} nodes", cost.total.count(),
                query.nodes);
  return cost;
}

Duration Planner::checkpoint_write(int nodes) const {
  return input_.timer.checkpoint_write(sizes_.checkpoint_bytes, nodes);
}

Duration Planner::load(const Configuration& configuration) const {
  LoadQuery query;
  query.nodes = configuration.nodes;
  query.checkpoint_bytes = sizes_.checkpoint_bytes;
  if (const auto* plan = configuration.plan.get()) {
    for (int node = 0; node < plan->nodes; ++node) {
      std::int64_t replicas = 0;
      for (int layer = 0; layer < static_cast<int>(plan->layers.size()); ++layer) {
        for (const auto expert : plan->node_slots(layer, node)) {
          replicas += expert == kVacant ? 0 : 1;
        }
      }
      const std::int64_t bytes =
          plan->gpus_per_node * sizes_.dense_bytes + replicas * sizes_.expert_bytes;
      query.total_bytes += bytes;
      query.busiest_node_bytes = std::max(query.busiest_node_bytes, bytes);
    }
  }
  return input_.timer.load(query);
}

}  // namespace bethany
