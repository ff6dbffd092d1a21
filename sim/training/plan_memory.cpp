#include "sim/training/plan_memory.h"

namespace bethany {
namespace {

std::size_t bytes_of(const PlacementPlan& plan) {
  std::size_t bytes = sizeof plan;
  for (const auto& layer : plan.layers) {
    bytes +=
        sizeof layer + (layer.expert_of_slot.size() + layer.replicas.size()) * sizeof(std::int32_t);
  }
  return bytes;
}

std::size_t bytes_of(const std::vector<LayerTraffic>& traffic) {
  constexpr std::size_t kRowsOfLayer = 5;
  std::size_t bytes = 0;
  for (const auto& layer : traffic) {
    bytes += sizeof layer + kRowsOfLayer * layer.computed.size() * sizeof(std::int64_t);
  }
  return bytes;
}

}  // namespace

PlanMemory::Plan PlanMemory::plan(int nodes, std::int64_t entry) const {
  const std::lock_guard guard(mutex_);
  const auto known = plans_.find({nodes, entry});
  return known == plans_.end() ? nullptr : known->second;
}

void PlanMemory::keep_plan(int nodes, std::int64_t entry, const Plan& plan) {
  const std::lock_guard guard(mutex_);
  const bool known = plans_.count({nodes, entry}) > 0;  // another thread was first
  if (known || !has_room(bytes_of(*plan))) return;
  plans_.emplace(std::pair{nodes, entry}, plan);
  kept_.insert(plan.get());
}

PlanMemory::Traffic PlanMemory::traffic(const Plan& plan, std::int64_t entry) const {
  const std::lock_guard guard(mutex_);
  const auto known = traffic_.find({plan.get(), entry});
  return known == traffic_.end() ? nullptr : known->second;
}

void PlanMemory::keep_traffic(const Plan& plan, std::int64_t entry, const Traffic& traffic) {
  const std::lock_guard guard(mutex_);
  // No other run would ask for the traffic of a plan that is not kept.
  const bool wanted = kept_.count(plan.get()) > 0 && traffic_.count({plan.get(), entry}) == 0;
  if (wanted && has_room(bytes_of(*traffic)))
    traffic_.emplace(std::pair{plan.get(), entry}, traffic);
}

bool PlanMemory::has_room(std::size_t bytes) {
  if (bytes_ + bytes > kMostBytes) return false;
  bytes_ += bytes;
  return true;
}

}  // namespace bethany
