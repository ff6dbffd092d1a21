#include "gpu/elastic/migration.h"

#include <algorithm>
#include <map>
#include <optional>

#include "sim/base/check.h"

namespace bethany {
namespace {

/// The experts in the slots of one GPU of a place.
std::span<const std::int32_t> slots_of(const PlacementPlan& plan, int layer, int place, int gpu) {
  const auto each = static_cast<std::size_t>(plan.slots_per_gpu());
  return plan.node_slots(layer, place).subspan(static_cast<std::size_t>(gpu) * each, each);
}

bool holds(const PlacementPlan& plan, int layer, int place, int gpu, int expert) {
  const auto slots = slots_of(plan, layer, place, gpu);
  return std::find(slots.begin(), slots.end(), expert) != slots.end();
}

/// The lowest GPU of the place that holds the expert.
std::optional<int> gpu_with(const PlacementPlan& plan, int layer, int place, int expert) {
  for (int gpu = 0; gpu < plan.gpus_per_node; ++gpu) {
    if (holds(plan, layer, place, gpu, expert)) return gpu;
  }
  return {};
}

class Moves {
 public:
  Moves(const Configuration& before, const Configuration& after,
        const std::vector<RankPlace>& participants)
      : before_(before), after_(after) {
    for (std::size_t rank = 0; rank < participants.size(); ++rank) {
      const RankPlace& place = participants[rank];
      rank_of_[{place.node, place.gpu}] = static_cast<int>(rank);
    }
    for (int place = 0; place < before.nodes; ++place) {
      place_before_[before.machine_of_place[static_cast<std::size_t>(place)]] = place;
    }
  }

  std::vector<Move> all() {
    for (int place = 0; place < after_.nodes; ++place) {
      const NodeId node = after_.machine_of_place[static_cast<std::size_t>(place)];
      for (int gpu = 0; gpu < after_.plan->gpus_per_node; ++gpu) {
        if (!old_place(node)) dense(node, gpu);
        for (int layer = 0; layer < static_cast<int>(after_.plan->layers.size()); ++layer) {
          int previous = kVacant;
          for (const int expert : slots_of(*after_.plan, layer, place, gpu)) {
            if (expert != kVacant && expert != previous) need(node, gpu, layer, expert);
            previous = expert;
          }
        }
      }
    }
    return std::move(moves_);
  }

 private:
  std::optional<int> old_place(NodeId node) const {
    const auto found = place_before_.find(node);
    if (found == place_before_.end()) return {};
    return found->second;
  }

  int rank_of(NodeId node, int gpu) const {
    const auto found = rank_of_.find({node, gpu});
    BETHANY_CHECK(found != rank_of_.end(), "machine {} sends but takes no part", node.value);
    return found->second;
  }

  NodeId sender(const Fetch& fetch) const {
    return before_.machine_of_place[static_cast<std::size_t>(fetch.from_place)];
  }

  void dense(NodeId node, int gpu) {
    std::int64_t offset = 0;
    for (const auto& fetch : after_.fetches) {
      if (fetch.to != node || fetch.expert >= 0) continue;
      moves_.push_back({.from = rank_of(sender(fetch), gpu),
                        .to = rank_of(node, gpu),
                        .offset = offset,
                        .bytes = fetch.bytes});
      offset += fetch.bytes;
    }
    BETHANY_CHECK(offset > 0, "machine {} fetches no dense state", node.value);
  }

  void need(NodeId node, int gpu, int layer, int expert) {
    const auto place = old_place(node);
    if (place && holds(*before_.plan, layer, *place, gpu, expert)) return;
    Move move{.from = -1, .to = rank_of(node, gpu), .layer = layer, .expert = expert};
    const auto other = place ? gpu_with(*before_.plan, layer, *place, expert) : std::nullopt;
    if (other) {
      move.from = rank_of(node, *other);
    } else {
      for (const auto& fetch : after_.fetches) {
        if (fetch.to != node || fetch.layer != layer || fetch.expert != expert) continue;
        const auto from = gpu_with(*before_.plan, layer, fetch.from_place, expert);
        BETHANY_CHECK(from, "place {} does not hold expert {}", fetch.from_place, expert);
        move.from = rank_of(sender(fetch), *from);
        break;
      }
    }
    BETHANY_CHECK(move.from >= 0, "machine {} lacks expert {} of layer {} and fetches it not",
                  node.value, expert, layer);
    moves_.push_back(move);
  }

  const Configuration& before_;
  const Configuration& after_;
  std::map<std::pair<NodeId, int>, int> rank_of_;
  std::map<NodeId, int> place_before_;
  std::vector<Move> moves_;
};

}  // namespace

std::vector<RankPlace> participants(const Configuration& before, const Configuration& after) {
  std::vector<RankPlace> ranks;
  const int gpus = after.plan->gpus_per_node;
  const auto add = [&](NodeId node) {
    for (int gpu = 0; gpu < gpus; ++gpu) ranks.push_back({node, gpu});
  };
  for (const auto node : after.machine_of_place) add(node);
  if (before.plan == nullptr) return ranks;
  for (const auto& fetch : after.fetches) {
    const NodeId node = before.machine_of_place[static_cast<std::size_t>(fetch.from_place)];
    if (std::find(ranks.begin(), ranks.end(), RankPlace{node, 0}) == ranks.end()) add(node);
  }
  return ranks;
}

std::vector<Move> moves_of(const Configuration& before, const Configuration& after,
                           const std::vector<RankPlace>& participants) {
  if (before.plan == nullptr) return {};
  return Moves(before, after, participants).all();
}

}  // namespace bethany
