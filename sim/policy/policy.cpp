#include "sim/policy/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/base/error.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

struct Preset {
  std::string_view summary;
  std::string_view base;   // the preset it differs from; "": only what all presets share
  std::string_view parts;  // what is different
};

/// What every preset starts from.
constexpr char kShared[] = R"({"membership": {"kind": "gather", "wait": "2min"},
    "notice": "ignore", "straggler": "ignore", "fault_threshold": 2, "layer_order": "aligned",
    "binding": "greedy"})";

const std::map<std::string, Preset, std::less<>>& preset_table() {
  static const std::map<std::string, Preset, std::less<>> table = {
      {"lazarus",
       {"Lazarus (arXiv 2407.04656): adaptive replicas, MRO placement, recovery in place", "",
        R"({"allocation": "proportional", "placement": "mro", "dispatch": "lazarus",
            "on_loss": "in-place", "checkpoint": {"kind": "steps", "every": 250},
            "rebalance": {"kind": "steps", "every": 200}})"}},
      {"lazarus+",
       {"ours: core plans, whose replica counts are chosen for recovery, and the min-makespan "
        "split",
        "lazarus", R"({"allocation": "core", "placement": "core", "dispatch": "min-makespan"})"}},
      {"ds",
       {"DeepSpeed-MoE: static expert parallelism, padded, restart from checkpoints", "",
        R"({"allocation": "ep", "placement": "ep-groups", "dispatch": "ep-group",
            "on_loss": "restart", "checkpoint": {"kind": "steps", "every": 50},
            "rebalance": "never"})"}},
      {"ds-ft",
       {"DeepSpeed-MoE on Lazarus' runtime, DS(FT): regroups while a full expert set survives",
        "ds", R"({"on_loss": "regroup", "checkpoint": {"every": 250}})"}},
      {"tutel",
       {"Tutel: as ds, all-to-all overlapped with the experts' computation", "ds",
        R"({"dispatch": {"overlapped": true}})"}},
      {"tutel-ft",
       {"Tutel on Lazarus' runtime, Tutel(FT): regroups as ds-ft", "ds-ft",
        R"({"dispatch": {"overlapped": true}})"}},
      {"ideal",
       {"upper bound: best step time of the compared policies, all nodes there, nothing blocks", "",
        "{}"}},
      {"clairvoyant",
       {"upper bound: knows the trace, trains whenever nodes are ready, pays only the changes", "",
        "{}"}},
  };
  return table;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, preset] : preset_table()) names.push_back(name);
  return names;
}

const std::vector<std::string>& part_keys() {
  static const std::vector<std::string> keys = {"allocation", "placement",  "dispatch",
                                                "on_loss",    "checkpoint", "rebalance",
                                                "membership", "notice",     "straggler"};
  return keys;
}

/// The preset's object with the given keys laid over it. A part given as an object without `kind`
/// keeps what it does not name.
JsonNode lay_over(JsonNode base, const JsonNode& given) {
  for (const auto& member : given.members) {
    JsonNode* below = base.find(member.key);
    const bool is_part =
        std::find(part_keys().begin(), part_keys().end(), member.key) != part_keys().end();
    if (below != nullptr && is_part && member.value.kind == JsonNode::Kind::object &&
        member.value.find("kind") == nullptr) {
      if (below->kind == JsonNode::Kind::string) {
        auto kind = std::move(*below);
        *below = {};
        below->member("kind") = std::move(kind);
      }
      below->line = member.value.line;
      below->origin = member.value.origin;
      for (const auto& option : member.value.members) below->member(option.key) = option.value;
    } else {
      base.member(member.key) = member.value;
    }
  }
  base.line = given.line;
  base.origin = given.origin;
  return base;
}

/// The whole policy object that a preset stands for. Requires: a name of the table.
JsonNode preset_object(std::string_view name) {
  const auto& preset = preset_table().find(name)->second;
  const auto below =
      preset.base.empty() ? parse_json(kShared, "presets") : preset_object(preset.base);
  return lay_over(below, parse_json(preset.parts, "preset " + std::string(name)));
}

/// Builds one part from "kind" or {"kind": …, options}.
template <class Part>
std::unique_ptr<Part> read_part(ObjectReader& policy, std::string_view key,
                                const Registry<Part>& registry, std::string* kind_out = nullptr) {
  const JsonNode* value = policy.raw(key);
  if (value == nullptr) policy.fail("", fmt::format("missing part '{}'", key));
  const bool bare = value->kind == JsonNode::Kind::string;
  JsonNode as_object = *value;
  if (bare) {
    as_object = {};
    as_object.line = value->line;
    as_object.origin = value->origin;
    as_object.member("kind") = *value;
  }
  JsonNode effective;
  ObjectReader options(as_object, policy.path() + "/" + std::string(key), &effective);
  const auto kind = options.choice("kind", registry.names());
  auto part = registry.find(kind)->make(options);
  options.finish();
  if (kind_out != nullptr) *kind_out = kind;
  policy.set_effective(key, effective.members.size() == 1 ? JsonNode::of(kind) : effective);
  return part;
}

struct NamedCapabilities {
  std::string part;
  Capabilities capabilities;
};

template <class Part>
std::string kinds_that_give(const Registry<Part>& registry, const JsonNode& any_options,
                            const std::string& word) {
  std::vector<std::string> kinds;
  for (const auto& entry : registry.entries()) {
    ObjectReader options(any_options, "");
    const auto part = entry.make(options);
    const auto gives = part->capabilities().gives;
    if (std::find(gives.begin(), gives.end(), word) != gives.end()) kinds.push_back(entry.name);
  }
  return list_in_words(kinds);
}

/// Every need of a part must be given by a part of the same policy.
void check_parts_fit(const Policy& policy, const ObjectReader& reader) {
  const std::vector<NamedCapabilities> parts = {
      {"allocation", policy.allocation->capabilities()},
      {"placement", policy.placement->capabilities()},
      {"dispatch", policy.dispatch->capabilities()},
      {"on_loss", policy.on_loss->capabilities()},
  };
  for (const auto& asking : parts) {
    for (const auto& need : asking.capabilities.needs) {
      const bool met = std::any_of(parts.begin(), parts.end(), [&](const NamedCapabilities& part) {
        const auto& gives = part.capabilities.gives;
        return std::find(gives.begin(), gives.end(), need) != gives.end();
      });
      if (met) continue;
      const JsonNode none = [] {
        JsonNode node;
        node.kind = JsonNode::Kind::object;
        return node;
      }();
      std::string givers;
      for (const auto& [kind, list] :
           {std::pair{"allocation", kinds_that_give(allocations(), none, need)},
            std::pair{"placement", kinds_that_give(placements(), none, need)},
            std::pair{"dispatch", kinds_that_give(dispatches(), none, need)}}) {
        if (!list.empty()) givers += fmt::format("{}{} {}", givers.empty() ? "" : "; ", kind, list);
      }
      reader.fail(asking.part,
                  fmt::format("the parts of policy '{}' do not fit together: {} needs '{}', which "
                              "no other part gives (it comes with {})",
                              policy.name, asking.part, need, givers));
    }
  }
}

/// Splits "a:b:c".
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (true) {
    const std::size_t to = text.find(separator, from);
    parts.emplace_back(text.substr(from, to == std::string_view::npos ? to : to - from));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

}  // namespace

std::vector<PresetInfo> presets() {
  std::vector<PresetInfo> infos;
  for (const auto& [name, preset] : preset_table()) {
    infos.push_back({name, std::string(preset.summary)});
  }
  return infos;
}

Policy read_policy(const JsonNode& node, const std::string& path, const std::string& name,
                   JsonNode* effective) {
  ObjectReader given(node, path);
  std::string preset_name = given.has("preset") ? given.choice("preset", preset_names()) : name;
  if (preset_table().find(preset_name) == preset_table().end()) {
    given.fail("", fmt::format("policy '{}' needs a preset: one of {}", name,
                               list_in_words(preset_names())));
  }
  Policy policy;
  policy.name = name;
  policy.preset = preset_name;
  policy.bound = preset_name == "ideal"         ? Bound::ideal
                 : preset_name == "clairvoyant" ? Bound::clairvoyant
                                                : Bound::none;
  if (policy.bound != Bound::none) {
    ObjectReader reader(node, path, effective);
    reader.string("preset", preset_name);
    reader.finish();
    return policy;
  }
  const JsonNode whole = lay_over(preset_object(preset_name), node);
  ObjectReader reader(whole, path, effective);
  reader.string("preset", preset_name);
  policy.allocation = read_part(reader, "allocation", allocations());
  policy.placement = read_part(reader, "placement", placements(), &policy.placement_kind);
  policy.dispatch = read_part(reader, "dispatch", dispatches());
  policy.on_loss = read_part(reader, "on_loss", on_loss_parts());
  policy.checkpoint = read_part(reader, "checkpoint", checkpoint_rules());
  policy.rebalance = read_part(reader, "rebalance", rebalance_rules());
  policy.membership = read_part(reader, "membership", membership_rules());
  policy.notice = read_part(reader, "notice", notice_rules());
  policy.straggler = read_part(reader, "straggler", straggler_rules());
  policy.fault_threshold = static_cast<int>(reader.integer("fault_threshold", 1, 1'000'000));
  if (reader.has("minimum_nodes")) {
    policy.minimum_nodes = static_cast<int>(reader.integer("minimum_nodes", 1, 10'000'000));
  } else {
    reader.raw("minimum_nodes");
  }
  policy.layer_order = reader.choice("layer_order", {"aligned", "independent"}) == "aligned"
                           ? LayerOrder::aligned
                           : LayerOrder::independent;
  policy.binding = reader.choice("binding", {"greedy", "min-cost"}) == "greedy"
                       ? BindingMethod::greedy
                       : BindingMethod::min_cost;
  reader.finish();
  check_parts_fit(policy, reader);
  return policy;
}

namespace {

/// A value as typed: a number, true or false as JSON has them, anything else as text.
JsonNode scalar_of(const std::string& text) {
  if (text == "true" || text == "false") return JsonNode::of(text == "true");
  if (text.find_first_not_of("0123456789.") == std::string::npos) {
    try {
      return parse_json(text, "");
    } catch (const InputError&) {
    }
  }
  return JsonNode::of(text);
}

}  // namespace

JsonNode policy_from_text(std::string_view text, const JsonNode& scenario_policies) {
  const auto pieces = split(text, ':');
  const std::string& base = pieces.front();
  JsonNode node;
  node.kind = JsonNode::Kind::object;
  if (const auto* known = scenario_policies.find(base)) {
    node = *known;
    if (node.find("preset") == nullptr) node.member("preset") = JsonNode::of(base);
  } else if (preset_table().find(base) != preset_table().end()) {
    node.member("preset") = JsonNode::of(base);
  } else {
    std::vector<std::string> names = preset_names();
    for (const auto& member : scenario_policies.members) names.push_back(member.key);
    throw InputError(unknown_name("policy", base, names));
  }
  const auto origin = std::make_shared<const std::string>(fmt::format("policy '{}'", text));
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const std::size_t equals = pieces[i].find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pieces[i].size()) {
      throw InputError(fmt::format("policy '{}': '{}' is not KEY=VALUE", text, pieces[i]));
    }
    JsonNode* target = &node;
    for (const auto& key : split(std::string_view(pieces[i]).substr(0, equals), '.')) {
      target = &target->member(key);
      // A bare part becomes an object when one of its options is named.
      if (target->kind == JsonNode::Kind::string && key != pieces[i].substr(0, equals)) {
        auto kind = std::move(*target);
        *target = {};
        target->member("kind") = std::move(kind);
      }
    }
    *target = scalar_of(pieces[i].substr(equals + 1));
    target->origin = origin;
  }
  return node;
}

}  // namespace bethany
