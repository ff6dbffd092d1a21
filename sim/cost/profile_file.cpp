#include <fmt/format.h>

#include <limits>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "sim/base/object_reader.h"
#include "sim/base/text.h"
#include "sim/cost/measured_curves.h"
#include "sim/cost/profile.h"

namespace bethany {
namespace {

const ConstantSpec* find_spec(std::string_view key) {
  for (const auto& spec : constant_specs()) {
    if (spec.key == key) return &spec;
  }
  return nullptr;
}

std::vector<std::string> constant_keys() {
  std::vector<std::string> keys;
  for (const auto& spec : constant_specs()) keys.emplace_back(spec.key);
  return keys;
}

ProfileConstant read_constant(ObjectReader keys, const ConstantSpec& spec) {
  ProfileConstant constant;
  constant.value = keys.real("value", 0, std::numeric_limits<double>::max());
  const bool rate =
      spec.unit == ConstantUnit::bytes_per_second || spec.unit == ConstantUnit::flop_per_second;
  if (rate && constant.value <= 0) keys.fail("value", "a rate must be above 0");
  constexpr double kLongestSeconds = 3.15e9;
  if (spec.unit == ConstantUnit::seconds && constant.value > kLongestSeconds) {
    keys.fail("value", "longer than 100 years");
  }
  const auto unit = keys.string("unit");
  if (unit != unit_name(spec.unit)) {
    keys.fail("unit", fmt::format("the unit of {} is \"{}\"", spec.key, unit_name(spec.unit)));
  }
  constant.source = keys.string("source");
  if (constant.source.empty()) keys.fail("source", "say where the value comes from");
  constant.kind = keys.choice("kind", {"assumed", "fitted", "measured", "published"});
  keys.finish();
  return constant;
}

}  // namespace

Profile parse_profile(std::string_view text, const std::string& name) {
  const JsonNode json = parse_json(text, name);
  ObjectReader keys(json, "");
  const auto version = keys.integer("bethany_profile", 0, std::numeric_limits<std::int64_t>::max());
  if (version != 1) {
    keys.fail("bethany_profile",
              fmt::format("version {} is unknown; this program reads 1", version));
  }
  Profile profile;
  profile.name = keys.string("name");
  if (profile.name.empty()) keys.fail("name", "the name is empty");
  profile.kind = keys.choice("kind", {"assumed", "measured"});
  ObjectReader constants = keys.object("constants", true);
  for (const auto& key : constants.keys()) {
    const ConstantSpec* spec = find_spec(key);
    if (spec == nullptr) constants.fail(key, unknown_name("constant", key, constant_keys()));
    profile.constants[key] = read_constant(constants.object(key), *spec);
  }
  constants.finish();
  profile.spread = keys.real("spread", 0, 1, 0);
  if (const JsonNode* fits = keys.raw("fits")) {
    if (fits->kind != JsonNode::Kind::array) keys.fail("fits", "expected an array of fits");
    profile.fits = *fits;
    read_curves(profile.fits, "/fits");  // refuses what the calibrated model could not use
  }
  profile.fits.kind = JsonNode::Kind::array;
  keys.finish();
  return profile;
}

Profile read_profile(const std::string& path) { return parse_profile(read_input(path), path); }

}  // namespace bethany
