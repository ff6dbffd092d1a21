#include <fmt/format.h>

#include <filesystem>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/study/setup.h"

namespace bethany {
namespace {

/// Gives a value and all below it the place "--set …", which stands in no file.
void set_origin(JsonNode& node, const std::shared_ptr<const std::string>& origin) {
  node.origin = origin;
  node.line = 0;
  for (auto& item : node.items) set_origin(item, origin);
  for (auto& member : node.members) set_origin(member.value, origin);
}

JsonNode parse_value(const std::string& text) {
  try {
    return parse_json(text, "--set");
  } catch (const InputError&) {
    return JsonNode::of(text);  // 81.2s, gpt-l, node names: texts need no quotes
  }
}

}  // namespace

void apply_set(JsonNode& tree, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw InputError(fmt::format("--set {}: expected KEY.KEY=VALUE", setting));
  }
  const auto origin = std::make_shared<const std::string>("--set " + setting);
  JsonNode* target = &tree;
  std::string path = setting.substr(0, equals);
  while (true) {
    const std::size_t dot = path.find('.');
    const auto key = path.substr(0, dot);
    if (key.empty()) throw InputError(fmt::format("--set {}: an empty key", setting));
    if (target->kind != JsonNode::Kind::object) {
      *target = {};
      target->origin = origin;
    }
    target = &target->member(key);
    if (dot == std::string::npos) break;
    path = path.substr(dot + 1);
  }
  *target = parse_value(setting.substr(equals + 1));
  set_origin(*target, origin);
}

JsonNode read_scenario_tree(const std::string& path, const Overrides& overrides) {
  // Files named in a scenario are relative to it; from standard input, to the working directory.
  auto tree = parse_json(read_input(path), path == "-" ? "standard input" : path);
  if (tree.kind != JsonNode::Kind::object) {
    throw InputError(fmt::format("{}: a scenario is a JSON object", path));
  }
  for (const auto& setting : overrides.sets) apply_set(tree, setting);
  if (overrides.seed) apply_set(tree, fmt::format("seed={}", *overrides.seed));
  return tree;
}

}  // namespace bethany
