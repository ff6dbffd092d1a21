#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/model/plan.h"

namespace bethany {

/// Plan nodes that can be lost together: a tree. Inner domains' nodes belong to the outer ones too.
struct PlanDomain {
  std::string name;
  std::vector<std::int32_t> nodes;  // places of the plan, ascending
  std::vector<PlanDomain> domains;
  friend bool operator==(const PlanDomain&, const PlanDomain&) = default;
};

/// The nodes lost with the domain, those of its inner domains included; ascending, each once.
std::vector<std::int32_t> nodes_of(const PlanDomain& domain);

struct PlanFile {
  PlacementPlan plan;
  std::vector<PlanDomain> domains;
};

/// Most slots of a plan that is read, over all layers.
constexpr std::int64_t kLargestPlan = std::int64_t{1} << 28;

/// Reads a plan (DESIGN §6): a plan file, or the JSON that `place` prints. Experts and nodes count
/// from 0. Without `gpu_plan` a node's experts are dealt to its GPUs in ascending order, one GPU
/// after another.
/// Throws InputError "FILE:LINE: /path: ...": unknown version or key, wrong shape, an expert or
/// node out of range, more experts on a node or GPU than it has slots, `replicas` or `gpu_plan`
/// that contradict `plan`, an expert without a replica, domains that are no tree: a name twice, or
/// a node in two of which neither lies in the other.
PlanFile read_plan(const JsonNode& node);
PlanFile parse_plan(std::string_view text, const std::string& name);
PlanFile read_plan_file(const std::string& path);

/// Reads the failure domains of a plan of `nodes` nodes: a JSON array of domains as in a plan file,
/// or a plan file of as many nodes that has `domains`.
/// Throws InputError "FILE:LINE: /path: ...": no domain, or what read_plan() refuses.
std::vector<PlanDomain> read_domains(const JsonNode& node, int nodes);
std::vector<PlanDomain> read_domains_file(const std::string& path, int nodes);

/// The keys `replicas`, `plan` and `gpu_plan` of a layer. Vacant slots are left out.
JsonNode layer_json(const PlacementPlan& plan, int layer);

/// A plan file that read_plan() reads back the same.
JsonNode plan_json(const PlanFile& file);

}  // namespace bethany
