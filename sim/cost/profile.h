#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/json.h"
#include "sim/cost/constants.h"
#include "sim/model/cluster.h"

namespace bethany {

/// One constant of a profile and where it comes from.
struct ProfileConstant {
  double value = 0;    // in the SI unit of its key
  std::string source;  // never empty
  std::string kind;    // published, assumed, fitted or measured
};

/// Constants of a cost model with their sources. Keys are those of constant_specs(); some may lack.
struct Profile {
  std::string name;
  std::string kind;  // measured or assumed
  std::map<std::string, ProfileConstant, std::less<>> constants;
  JsonNode fits;  // measured fits, for the calibrated model; an array
  /// By how much one of equal ranks differs from their mean in a phase, as a share of it: standard
  /// deviation, 0..1. 0: unknown, the fits are of the slowest rank.
  double spread = 0;

  const ProfileConstant* find(std::string_view key) const;
};

/// Names of the built-in profiles: those of the built-in node types, all assumed.
std::vector<std::string> profile_names();
/// Null when unknown.
const Profile* find_profile(std::string_view name);

/// The name of the profile that is derived from a node type's data-sheet figures.
inline constexpr char kDataSheetProfile[] = "data-sheet";

/// Every constant, from the figures of the node type times assumed efficiencies.
Profile data_sheet_profile(const NodeType& type);

/// The profile for a node type of which nothing was measured: the built-in one of its name, unless
/// its figures are not the built-in ones; else the data-sheet profile. It has every constant.
Profile assumed_profile(const NodeType& type);

/// Reads a profile (sim/cost/README.md). Throws InputError "NAME:LINE: /path: …".
Profile parse_profile(std::string_view text, const std::string& name);
/// The same from a file.
Profile read_profile(const std::string& path);

/// A built-in profile by name, or `data-sheet` of that node type. Throws InputError naming the
/// nearest; `place` goes before the complaint.
Profile named_profile(const std::string& name, const NodeType& type, const std::string& place = "");

/// The profile as a file has it; parsing its text gives the same profile.
JsonNode profile_json(const Profile& profile);

/// SHA-256 of the canonical text (profile_json on one line): equal for equal content, however the
/// file was laid out.
std::string profile_sha256(const Profile& profile);

}  // namespace bethany
