#include "analysis/fetches.h"

#include <algorithm>
#include <set>

namespace bethany {
namespace {

/// The experts a place of a plan holds, as (layer, expert).
std::set<std::pair<int, int>> experts_of(const PlacementPlan& plan, int place) {
  std::set<std::pair<int, int>> experts;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    for (const auto expert : plan.node_slots(layer, place)) {
      if (expert != kVacant) experts.emplace(layer, expert);
    }
  }
  return experts;
}

std::int64_t missing(const std::set<std::pair<int, int>>& wanted,
                     const std::set<std::pair<int, int>>& held) {
  return static_cast<std::int64_t>(std::count_if(
      wanted.begin(), wanted.end(), [&](const auto& expert) { return held.count(expert) == 0; }));
}

bool same(const TransferSummary& a, const TransferSummary& b) {
  return a.experts_moved == b.experts_moved && a.dense_copies == b.dense_copies &&
         a.total_bytes == b.total_bytes && a.busiest_port_bytes == b.busiest_port_bytes;
}

/// The job's schedule once more: machines in the order of their ids, as it has them.
void add_senders(const PlacementPlan& before, const std::map<NodeId, int>& place_of,
                 const ConfigurationCompleted& made, const FetchRules& rules,
                 std::vector<ToldFetch>& fetches) {
  auto machines = made.machine_of_place;
  std::sort(machines.begin(), machines.end());
  Holdings holdings{.plan = &before, .place_of = {}};
  for (const auto machine : machines) {
    const auto held = place_of.find(machine);
    holdings.place_of.push_back(held == place_of.end() ? -1 : held->second);
  }
  if (!state_is_complete(holdings)) return;
  std::vector<int> machine_of_place;
  for (const auto machine : made.machine_of_place) {
    const auto at = std::lower_bound(machines.begin(), machines.end(), machine);
    machine_of_place.push_back(static_cast<int>(at - machines.begin()));
  }
  const auto binding =
      transfers_of(*made.plan, std::move(machine_of_place), holdings, rules.sizes, rules.method);
  if (!same(binding.summary, made.transfer)) return;
  std::map<std::pair<int, int>, std::int64_t> bytes;  // by receiver, sender
  for (const auto& transfer : binding.transfers)
    bytes[{transfer.to, transfer.from}] += transfer.bytes;
  for (auto& fetch : fetches) {
    for (const auto& [ends, sent] : bytes) {
      if (machines[static_cast<std::size_t>(ends.first)] != fetch.node) continue;
      fetch.from.emplace_back(machines[static_cast<std::size_t>(ends.second)], sent);
    }
    std::stable_sort(fetch.from.begin(), fetch.from.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
  }
}

}  // namespace

std::int64_t ToldFetch::bytes() const {
  std::int64_t sum = 0;
  for (const auto& sender : from) sum += sender.second;
  return sum;
}

std::vector<ToldFetch> fetches_of(const PlacementPlan& before,
                                  const std::map<NodeId, int>& place_of,
                                  const ConfigurationCompleted& made,
                                  const std::optional<FetchRules>& rules) {
  const bool whole = made.plan != nullptr && made.transfer.experts_moved > 0 &&
                     made.machine_of_place.size() == static_cast<std::size_t>(made.plan->nodes);
  if (!whole) return {};
  std::vector<ToldFetch> fetches;
  std::int64_t all = 0;
  for (int place = 0; place < made.plan->nodes; ++place) {
    const NodeId node = made.machine_of_place[static_cast<std::size_t>(place)];
    const auto at = place_of.find(node);
    const bool held = at != place_of.end();
    const auto had = held ? experts_of(before, at->second) : std::set<std::pair<int, int>>{};
    const std::int64_t experts = missing(experts_of(*made.plan, place), had);
    if (experts > 0 || !held) fetches.push_back({node, experts, !held, {}});
    all += experts;
  }
  if (all != made.transfer.experts_moved) return {};
  std::sort(fetches.begin(), fetches.end(), [](const ToldFetch& a, const ToldFetch& b) {
    if (a.experts != b.experts) return a.experts > b.experts;
    return a.node < b.node;
  });
  if (rules) add_senders(before, place_of, made, *rules, fetches);
  return fetches;
}

}  // namespace bethany
