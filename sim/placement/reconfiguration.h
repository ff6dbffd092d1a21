#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/placement/binding.h"
#include "sim/placement/parts.h"

namespace bethany {

/// The plan to come from, and what is known of the machines.
struct ChangeRequest {
  PlacementPlan previous;
  std::vector<int> lost;  // nodes of `previous` that are gone
  BindingMethod method = BindingMethod::min_cost;
  std::optional<std::int64_t> expert_bytes;  // state of one expert; without it no bytes
  std::int64_t dense_bytes = 0;              // what a new node fetches beside its experts
  std::optional<double> bytes_per_second;    // of a node's port, each direction
};

/// What it takes to come from the previous plan to a new one.
struct Reconfiguration {
  /// For each node of the new plan, the node of the previous one that it is, or -1: a new machine.
  std::vector<std::int32_t> previous_node;
  Binding binding;  // machines are nodes of the new plan
  std::optional<std::int64_t> bytes;
  std::optional<std::int64_t> busiest_port_bytes;
  std::optional<double> seconds;  // of the busiest port
};

/// For each of `nodes` nodes of a new plan, the node of the previous plan that it is, or -1. The
/// survivors keep their numbers; those whose numbers are not among `nodes` take, in order, the
/// lowest that are free.
/// Throws InputError when a lost node is not one of the previous plan or named twice, or more
/// nodes survive than `nodes`.
std::vector<std::int32_t> previous_nodes(const ChangeRequest& request, int nodes);

/// Gives the places of `plan` to those machines with little migration and renumbers them, so that
/// node n of `plan` is machine n. With `stays`, place n is machine n already.
/// Throws InputError when the previous plan has other layers or experts. Infeasible when an expert
/// is lost with the nodes that held it.
std::variant<Reconfiguration, Infeasible> reconfigure(const ChangeRequest& request,
                                                      std::vector<std::int32_t> previous_node,
                                                      const std::vector<std::int32_t>& domain_of,
                                                      bool stays, PlacementPlan& plan);

/// The value of the key `reconfiguration` of `place`.
JsonNode reconfiguration_json(const Reconfiguration& change);

}  // namespace bethany
