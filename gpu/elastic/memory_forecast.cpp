#include "gpu/elastic/memory_forecast.h"

#include <algorithm>
#include <set>

#include "gpu/fabric/reduce.h"
#include "gpu/fabric/views.h"
#include "gpu/layer/memory.h"

namespace bethany {
namespace {

using Held = std::set<std::pair<int, int>>;  // layer, expert

/// What the plan gives the rank, added to `held`.
void add_held(const PlacementPlan& plan, int rank, Held& held) {
  const auto each = static_cast<std::size_t>(plan.slots_per_gpu());
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    const auto slots =
        plan.node_slots(layer, rank / plan.gpus_per_node)
            .subspan(static_cast<std::size_t>(rank % plan.gpus_per_node) * each, each);
    for (const auto expert : slots) {
      if (expert != kVacant) held.emplace(layer, expert);
    }
  }
}

/// Floats that the larger of a step's two reductions receives into.
std::int64_t staged_by(const PlacementPlan& plan, const StackShape& shape, int rank) {
  const Reduction experts(expert_gradients(plan, shape.expert_parameters()), rank);
  SharedGradient dense{.holders = {}, .values = shape.dense_parameters()};
  for (int r = 0; r < plan.ranks(); ++r) dense.holders.push_back(r);
  const Reduction all({std::move(dense)}, rank);
  return static_cast<std::int64_t>(std::max(experts.staging_values(), all.staging_values()));
}

}  // namespace

void MemoryForecast::note(const Grown& grown, std::int64_t held_experts, std::int64_t staged) {
  const RankMemory memory = rank_memory(shape_, {.held_experts = static_cast<int>(held_experts),
                                                 .samples = grown.samples,
                                                 .rows = grown.rows,
                                                 .sent = grown.sent,
                                                 .ranks = grown.ranks,
                                                 .staged = staged});
  most_ = std::max(most_, memory.total());
}

void MemoryForecast::step(const StepWork& work) {
  const PlacementPlan& plan = *work.configuration.plan;
  const auto places = participants({}, work.configuration);
  const auto layers = static_cast<std::size_t>(shape_.layers);
  for (int rank = 0; rank < plan.ranks(); ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    Grown& grown = ranks_[{places[r].node, places[r].gpu}];
    grown.samples = std::max(grown.samples, work.samples_of_rank[r]);
    grown.ranks = std::max(grown.ranks, plan.ranks());
    grown.rows.resize(layers);
    grown.sent.resize(layers);
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const auto& traffic = work.traffic[layer];
      const std::int64_t own =
          traffic.computed[r] - traffic.received_inside[r] - traffic.received_outside[r];
      const std::int64_t sent = own + traffic.sent_inside[r] + traffic.sent_outside[r];
      grown.rows[layer] = std::max(grown.rows[layer], traffic.computed[r]);
      grown.sent[layer] = std::max(grown.sent[layer], sent);
    }
    Held held;
    add_held(plan, rank, held);
    note(grown, static_cast<std::int64_t>(held.size()), staged_by(plan, shape_, rank));
  }
}

void MemoryForecast::transfer(const Configuration& before, const Configuration& after) {
  if (before.plan == nullptr) return;
  const auto old_places = participants({}, before);
  const auto places = participants({}, after);
  for (std::size_t r = 0; r < places.size(); ++r) {
    const auto grown = ranks_.find({places[r].node, places[r].gpu});
    if (grown == ranks_.end() || grown->second.rows.empty()) continue;
    Held held;
    add_held(*after.plan, static_cast<int>(r), held);
    for (std::size_t old = 0; old < old_places.size(); ++old) {
      if (old_places[old] == places[r]) add_held(*before.plan, static_cast<int>(old), held);
    }
    note(grown->second, static_cast<std::int64_t>(held.size()), 0);
  }
}

void MemoryForecast::lose(std::span<const NodeId> nodes) {
  std::erase_if(ranks_, [&](const auto& entry) {
    return std::find(nodes.begin(), nodes.end(), entry.first.first) != nodes.end();
  });
}

}  // namespace bethany
