#include "sim/cost/analytic_keys.h"

#include <fmt/format.h>

#include <list>
#include <map>

#include "sim/base/check.h"
#include "sim/base/files.h"

namespace bethany {
namespace {

/// Groups whose per-node part is 0 when they are given as one duration: `"communicator": "10s"`.
constexpr std::string_view kPerNodeGroups[] = {"communicator", "rebalance_communicator",
                                               "group_init"};

/// The nested objects of `cost`, each opened once.
class Groups {
 public:
  explicit Groups(ObjectReader& root) : root_(&root) {}

  /// The reader of the object at that path, "restart.group_init"; the root for "".
  ObjectReader& at(std::string_view path) {
    if (path.empty()) return *root_;
    const auto found = readers_.find(path);
    if (found != readers_.end()) return found->second;
    const std::size_t dot = path.rfind('.');
    ObjectReader& parent = at(dot == std::string_view::npos ? "" : path.substr(0, dot));
    const auto name = dot == std::string_view::npos ? path : path.substr(dot + 1);
    return readers_.emplace(path, open(parent, name)).first->second;
  }

  void finish() {
    for (auto& [path, reader] : readers_) reader.finish();
  }

 private:
  ObjectReader open(ObjectReader& parent, std::string_view name) {
    const JsonNode* value = parent.raw(name);
    bool per_node = false;
    for (const auto group : kPerNodeGroups) per_node = per_node || group == name;
    if (!per_node || value == nullptr || value->kind != JsonNode::Kind::string) {
      return parent.object(name);
    }
    JsonNode& both = written_out_.emplace_back();
    both.member("base") = *value;
    both.member("per_node") = JsonNode::of("0s");
    both.line = value->line;
    both.origin = value->origin;
    return ObjectReader(both, fmt::format("{}/{}", parent.path(), name), parent.effective(name));
  }

  ObjectReader* root_;
  std::map<std::string, ObjectReader, std::less<>> readers_;
  std::list<JsonNode> written_out_;
};

/// Reads one constant, `fallback` when it is not given. The units of files are whole ns and bytes.
double read_value(ObjectReader& keys, std::string_view key, ConstantUnit unit, double fallback) {
  switch (unit) {
    case ConstantUnit::seconds:
      return to_seconds(keys.duration(key, round_to_duration(fallback)));
    case ConstantUnit::bytes:
      return static_cast<double>(
          keys.bytes(key, Bytes{static_cast<std::int64_t>(fallback + 0.5)}).value);
    case ConstantUnit::bytes_per_second:
      return keys.bandwidth(key, Bandwidth{fallback}).bytes_per_second;
    case ConstantUnit::flop_per_second:
      return keys.flop_rate(key, FlopRate{fallback}).flops;
  }
  BETHANY_CHECK(false, "unit {}", static_cast<int>(unit));
}

Profile read_chosen_profile(ObjectReader& cost, const NodeType& type, const Profile& assumed) {
  const auto given = cost.string("profile", assumed.name);
  if (is_file_name(given)) return read_profile(cost.file("profile"));
  return named_profile(given, type,
                       fmt::format("{}: {}/profile: ", cost.place("profile"), cost.path()));
}

}  // namespace

ConstantChoice read_constants(ObjectReader& cost, const NodeType& type) {
  const Profile assumed = assumed_profile(type);
  const Profile profile = read_chosen_profile(cost, type, assumed);
  ConstantChoice choice;
  choice.profile = {
      .name = profile.name, .sha256 = profile_sha256(profile), .kind = profile.kind, .assumed = {}};
  choice.curves = read_curves(profile.fits, "/fits");
  choice.spread = profile.spread;
  Groups groups(cost);
  std::size_t index = 0;
  for (const auto& spec : constant_specs()) {
    const std::size_t dot = spec.key.rfind('.');
    const bool nested = dot != std::string_view::npos;
    ObjectReader& keys = groups.at(nested ? spec.key.substr(0, dot) : "");
    const auto key = nested ? spec.key.substr(dot + 1) : spec.key;
    const ProfileConstant* constant = profile.find(spec.key);
    if (constant == nullptr) {
      if (!keys.has(key)) choice.profile.assumed.emplace_back(spec.key);
      constant = assumed.find(spec.key);
    }
    BETHANY_CHECK(constant != nullptr, "the assumed profile lacks {}", spec.key);
    choice.values[static_cast<Constant>(index++)] =
        read_value(keys, key, spec.unit, constant->value);
  }
  groups.finish();
  return choice;
}

}  // namespace bethany
