#include "analysis/live_copies.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The experts of a place in a layer, each once.
std::vector<std::int32_t> experts_of(const PlacementPlan& plan, int layer, int place) {
  const auto slots = plan.node_slots(layer, place);
  std::vector<std::int32_t> experts(slots.begin(), slots.end());
  std::sort(experts.begin(), experts.end());
  experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
  if (!experts.empty() && experts.front() == kVacant) experts.erase(experts.begin());
  return experts;
}

}  // namespace

std::size_t LiveCopies::index_of(int layer, std::int32_t expert) const {
  return static_cast<std::size_t>(layer) * static_cast<std::size_t>(plan_->experts) +
         static_cast<std::size_t>(expert);
}

void LiveCopies::configure(std::shared_ptr<const PlacementPlan> plan,
                           const std::vector<NodeId>& machines) {
  place_of_.clear();
  copies_.clear();
  const bool whole = plan != nullptr && machines.size() == static_cast<std::size_t>(plan->nodes);
  plan_ = whole ? std::move(plan) : nullptr;
  if (!plan_) return;
  const int layers = static_cast<int>(plan_->layers.size());
  copies_.resize(index_of(layers, 0));
  for (int place = 0; place < plan_->nodes; ++place) {
    place_of_[machines[static_cast<std::size_t>(place)]] = place;
    for (int layer = 0; layer < layers; ++layer) {
      for (const auto expert : experts_of(*plan_, layer, place)) ++copies_[index_of(layer, expert)];
    }
  }
}

CopiesLost LiveCopies::lose(const std::vector<NodeId>& machines) {
  CopiesLost lost;
  if (!plan_) return lost;
  std::set<std::size_t> touched;
  for (const auto machine : machines) {
    const auto found = place_of_.find(machine);
    if (found == place_of_.end()) continue;
    for (int layer = 0; layer < static_cast<int>(plan_->layers.size()); ++layer) {
      for (const auto expert : experts_of(*plan_, layer, found->second)) {
        const auto index = index_of(layer, expert);
        --copies_[index];
        ++lost.copies;
        touched.insert(index);
      }
    }
    place_of_.erase(found);
  }
  const auto experts = static_cast<std::size_t>(plan_->experts);
  std::set<std::size_t> layers;
  for (const auto index : touched) {
    layers.insert(index / experts);
    if (copies_[index] > 0) continue;
    lost.gone.push_back({static_cast<int>(index / experts), static_cast<int>(index % experts)});
  }
  lost.experts = static_cast<std::int64_t>(touched.size());
  lost.layers = static_cast<int>(layers.size());
  return lost;
}

int LiveCopies::least() const {
  BETHANY_CHECK(known() && !copies_.empty(), "copies of no plan");
  return *std::min_element(copies_.begin(), copies_.end());
}

ExpertState LiveCopies::rarest() const {
  BETHANY_CHECK(known() && !copies_.empty(), "copies of no plan");
  const auto index = std::min_element(copies_.begin(), copies_.end()) - copies_.begin();
  return {static_cast<int>(index / plan_->experts), static_cast<int>(index % plan_->experts)};
}

}  // namespace bethany
