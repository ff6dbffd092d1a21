#include "sim/cost/profile.h"

#include <algorithm>

#include "sim/base/digest.h"
#include "sim/base/error.h"
#include "sim/base/text.h"

namespace bethany {
namespace {

/// Whether every figure a profile is derived from is the same; price and source do not count.
bool same_figures(const NodeType& a, const NodeType& b) {
  return a.gpus == b.gpus && a.peak == b.peak && a.hbm == b.hbm && a.nvlink == b.nvlink &&
         a.nvlink_latency == b.nvlink_latency && a.nic == b.nic && a.nic_latency == b.nic_latency &&
         a.nic_shared_by == b.nic_shared_by && a.host_link == b.host_link;
}

}  // namespace

const ProfileConstant* Profile::find(std::string_view key) const {
  const auto found = constants.find(key);
  return found == constants.end() ? nullptr : &found->second;
}

Profile assumed_profile(const NodeType& type) {
  const NodeType* built_in = find_node_type(type.name);
  const Profile* profile = find_profile(type.name);
  if (built_in != nullptr && profile != nullptr && same_figures(*built_in, type)) return *profile;
  return data_sheet_profile(type);
}

Profile named_profile(const std::string& name, const NodeType& type, const std::string& place) {
  if (name == kDataSheetProfile) return data_sheet_profile(type);
  if (const Profile* found = find_profile(name)) return *found;
  auto names = profile_names();
  names.emplace_back(kDataSheetProfile);
  throw InputError(place + unknown_name("profile", name, names) + " A file's name ends in .json.");
}

JsonNode profile_json(const Profile& profile) {
  JsonNode json;
  json.member("bethany_profile") = JsonNode::of(std::int64_t{1});
  json.member("name") = JsonNode::of(profile.name);
  json.member("kind") = JsonNode::of(profile.kind);
  auto& constants = json.member("constants");
  constants.kind = JsonNode::Kind::object;
  for (const auto& spec : constant_specs()) {
    const ProfileConstant* constant = profile.find(spec.key);
    if (constant == nullptr) continue;
    auto& entry = constants.member(spec.key);
    entry.member("value") = JsonNode::of(constant->value);
    entry.member("unit") = JsonNode::of(std::string(unit_name(spec.unit)));
    entry.member("source") = JsonNode::of(constant->source);
    entry.member("kind") = JsonNode::of(constant->kind);
  }
  if (profile.spread > 0) json.member("spread") = JsonNode::of(profile.spread);
  auto& fits = json.member("fits");
  fits = profile.fits;
  fits.kind = JsonNode::Kind::array;
  return json;
}

std::string profile_sha256(const Profile& profile) {
  return sha256(to_line(profile_json(profile)));
}

}  // namespace bethany
