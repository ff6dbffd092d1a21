#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/json.h"
#include "sim/cost/cost_model.h"
#include "sim/model/routing_load.h"
#include "sim/model/scenario.h"
#include "sim/model/trace.h"
#include "sim/policy/policy.h"
#include "sim/study/input_cache.h"

namespace bethany {

/// Where the replayed trace comes from, for results.
struct TraceStamp {
  std::string name;
  std::string sha256;    // of the file, or of the generated trace's canonical text
  std::string cap_text;  // the cap rule in words
  JsonNode statistics;   // of what is replayed, as `trace stats` prints it
};

/// A policy as a scenario or the command line names it, not yet built.
struct NamedPolicy {
  std::string name;
  JsonNode node;
};

/// A scenario with everything a run needs, made once and shared by all policies: they see the same
/// trace and the same routing load.
struct Setup {
  Scenario scenario;
  std::shared_ptr<const Trace> trace;  // replay options applied
  std::shared_ptr<const RoutingLoad> routing;
  Cost cost;
  RngStreams streams{0, 0};
  TraceStamp trace_stamp;
  JsonNode policies;                  // the scenario's, an object; may be empty
  std::vector<std::string> warnings;  // what was let through on request
  /// The effective scenario: complete, and again a valid scenario with the same results.
  JsonNode effective;
};

/// What the command line lays over a scenario file.
struct Overrides {
  std::vector<std::string> sets;  // KEY.KEY=VALUE, VALUE as JSON or else as text
  std::optional<std::uint64_t> seed;
};

/// Lays KEY.KEY=VALUE over an object: VALUE is read as JSON, or else taken as text. Throws
/// InputError when it is not of that form.
void apply_set(JsonNode& tree, const std::string& setting);

/// Reads the scenario file ("-": standard input) with its overrides.
/// Throws InputError naming file, line, path and the nearest known key.
JsonNode read_scenario_tree(const std::string& path, const Overrides& overrides);

/// Resolves a scenario: every key is read and every file it names. Inputs that other scenarios read
/// before are taken from `cache`, when there is one. Throws InputError.
Setup make_setup(const JsonNode& tree, InputCache* cache = nullptr);

/// The policies to run: `names` as typed, or when empty the scenario's, or when it has none
/// lazarus and ds. Throws InputError on unknown names.
std::vector<NamedPolicy> choose_policies(const Setup& setup, const std::vector<std::string>& names);

/// Builds a policy. Throws InputError when its parts do not fit together.
Policy build_policy(const NamedPolicy& named);

}  // namespace bethany
