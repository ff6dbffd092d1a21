#include "sim/placement/reconfiguration.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bethany {
namespace {

void check_sizes(const PlacementPlan& previous, const PlacementPlan& plan) {
  if (previous.experts == plan.experts && previous.layers.size() == plan.layers.size()) return;
  throw InputError(
      fmt::format("the previous plan has {} layers of {} experts, the new one {} of {}",
                  previous.layers.size(), previous.experts, plan.layers.size(), plan.experts));
}

/// An expert that no surviving node holds, in words; empty when there is none.
std::optional<std::string> lost_expert(const Holdings& holdings) {
  const auto& plan = *holdings.plan;
  for (int layer = 0; layer < static_cast<int>(plan.layers.size()); ++layer) {
    std::vector<std::uint8_t> held(static_cast<std::size_t>(plan.experts));
    for (const int place : holdings.place_of) {
      if (place < 0) continue;
      for (const std::int32_t expert : plan.node_slots(layer, place)) {
        if (expert != kVacant) held[static_cast<std::size_t>(expert)] = 1;
      }
    }
    const auto lost = std::find(held.begin(), held.end(), 0);
    if (lost == held.end()) continue;
    return fmt::format(
        "expert {} of layer {} is lost with the nodes that held it, so its state "
        "must come from a checkpoint",
        lost - held.begin(), layer);
  }
  return {};
}

/// Place p of the plan becomes node number[p].
void renumber(const std::vector<int>& number, PlacementPlan& plan) {
  const auto slots = static_cast<std::ptrdiff_t>(plan.slots_per_node);
  for (auto& layer : plan.layers) {
    auto rows = layer.expert_of_slot;
    for (std::size_t place = 0; place < number.size(); ++place) {
      const auto from = layer.expert_of_slot.begin() + static_cast<std::ptrdiff_t>(place) * slots;
      std::copy(from, from + slots, rows.begin() + number[place] * slots);
    }
    layer.expert_of_slot = std::move(rows);
  }
}

}  // namespace

std::vector<std::int32_t> previous_nodes(const ChangeRequest& request, int nodes) {
  const int before = request.previous.nodes;
  std::vector<std::uint8_t> gone(static_cast<std::size_t>(before));
  for (const int node : request.lost) {
    if (node < 0 || node >= before) {
      throw InputError(
          fmt::format("lost: the previous plan has nodes 0..{}, not {}", before - 1, node));
    }
    if (std::exchange(gone[static_cast<std::size_t>(node)], 1) != 0) {
      throw InputError(fmt::format("lost: node {} is named twice", node));
    }
  }
  const int survivors = before - static_cast<int>(request.lost.size());
  if (survivors > nodes) {
    throw InputError(fmt::format(
        "{} nodes of the previous plan are there, and the new plan has {}: say which are lost",
        survivors, nodes));
  }
  std::vector<std::int32_t> previous(static_cast<std::size_t>(nodes), -1);
  std::size_t lowest_free = 0;
  const auto is_free = [&](std::size_t node) {
    return previous[node] < 0 && (node >= gone.size() || gone[node] != 0);
  };
  for (int node = 0; node < before; ++node) {
    if (gone[static_cast<std::size_t>(node)] != 0) continue;
    auto number = static_cast<std::size_t>(node);
    if (node >= nodes) {
      while (!is_free(lowest_free)) ++lowest_free;
      number = lowest_free;
    }
    previous[number] = node;
  }
  return previous;
}

std::variant<Reconfiguration, Infeasible> reconfigure(const ChangeRequest& request,
                                                      std::vector<std::int32_t> previous_node,
                                                      const std::vector<std::int32_t>& domain_of,
                                                      bool stays, PlacementPlan& plan) {
  check_sizes(request.previous, plan);
  const Holdings holdings{.plan = &request.previous,
                          .place_of = {previous_node.begin(), previous_node.end()}};
  if (auto lost = lost_expert(holdings)) return Infeasible{std::move(*lost)};
  // Without sizes the schedule counts experts.
  const StateSizes sizes{.dense_bytes = request.expert_bytes ? request.dense_bytes : 0,
                         .expert_bytes = request.expert_bytes.value_or(1),
                         .checkpoint_bytes = 0};
  Reconfiguration change;
  change.previous_node = std::move(previous_node);
  change.binding =
      stays ? keep_places(plan, holdings, sizes, request.method)
            : bind_plan(plan, holdings, sizes, {.method = request.method, .domain_of = domain_of});
  renumber(change.binding.machine_of_place, plan);
  if (request.expert_bytes) {
    change.bytes = change.binding.summary.total_bytes;
    change.busiest_port_bytes = change.binding.summary.busiest_port_bytes;
    if (request.bytes_per_second) {
      change.seconds = static_cast<double>(*change.busiest_port_bytes) / *request.bytes_per_second;
    }
  }
  return change;
}

JsonNode reconfiguration_json(const Reconfiguration& change) {
  JsonNode node;
  node.kind = JsonNode::Kind::object;
  const auto& summary = change.binding.summary;
  node.member("experts_moved") = JsonNode::of(summary.experts_moved);
  node.member("least_possible") = JsonNode::of(change.binding.least_moved);
  node.member("dense_copies") = JsonNode::of(summary.dense_copies);
  node.member("bytes") = change.bytes ? JsonNode::of(*change.bytes) : JsonNode();
  node.member("busiest_port_bytes") =
      change.busiest_port_bytes ? JsonNode::of(*change.busiest_port_bytes) : JsonNode();
  node.member("seconds") = change.seconds ? JsonNode::of(*change.seconds) : JsonNode();
  std::vector<JsonNode> nodes;
  for (const std::int32_t previous : change.previous_node) {
    nodes.push_back(previous < 0 ? JsonNode() : JsonNode::of(std::int64_t{previous}));
  }
  node.member("previous_node") = JsonNode::array_of(std::move(nodes));
  return node;
}

}  // namespace bethany
