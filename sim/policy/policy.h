#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/placement/binding.h"
#include "sim/placement/parts.h"
#include "sim/policy/parts.h"

namespace bethany {

/// What a row is, if no strategy: an upper bound of those compared with it (sim/study).
enum class Bound : std::uint8_t { none, ideal, clairvoyant };

/// A complete named strategy: one part of each kind. Move-only; its parts are stateless.
struct Policy {
  std::string name;           // as typed
  std::string preset;         // it started from
  Bound bound = Bound::none;  // of a bound no part is looked at
  std::unique_ptr<Allocation> allocation;
  std::unique_ptr<Placement> placement;
  std::unique_ptr<Dispatch> dispatch;
  std::unique_ptr<OnLoss> on_loss;
  std::unique_ptr<CheckpointRule> checkpoint;
  std::unique_ptr<RebalanceRule> rebalance;
  std::unique_ptr<MembershipRule> membership;
  std::unique_ptr<NoticeRule> notice;
  std::unique_ptr<StragglerRule> straggler;
  std::string placement_kind;
  int fault_threshold = 2;
  std::optional<int> minimum_nodes;  // default: what the layout needs
  LayerOrder layer_order = LayerOrder::aligned;
  BindingMethod binding = BindingMethod::greedy;
};

/// Reads a policy object: `preset`, part keys, `fault_threshold`, `minimum_nodes`, `layer_order`,
/// `binding`.
/// Keys not given come from the preset; a part written as an object without `kind` keeps the
/// preset's kind and options beside those given. The effective policy is written to `effective`.
/// Throws InputError on unknown names, and when the parts do not fit together, with the reason.
Policy read_policy(const JsonNode& node, const std::string& path, const std::string& name,
                   JsonNode* effective);

/// The policy object that a command-line name stands for: `NAME[:KEY=VALUE]…`, where NAME is one
/// of `scenario_policies` (an object, may be null) or a preset, and KEY a key of a policy such as
/// `placement` or `checkpoint.every`. Throws InputError on unknown names.
JsonNode policy_from_text(std::string_view text, const JsonNode& scenario_policies);

/// Preset names with a line of description, in name order.
struct PresetInfo {
  std::string name;
  std::string summary;
};
std::vector<PresetInfo> presets();

}  // namespace bethany
