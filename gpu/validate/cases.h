#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/base/json.h"

namespace bethany {

/// One held-out configuration.
struct Case {
  std::string policy;   // as `compare --policies` takes it
  std::string routing;  // of routing_names()
  int nodes = 0;
  std::string failures;  // of failure_names()
  std::uint64_t seed = 0;

  /// All but the policy: what policies are compared under.
  std::string setting() const;
  std::string name() const;  // "POLICY, SETTING"
};

/// balanced: all experts alike · zipf: one load of exponent 1 · drifting: a Zipf load whose order
/// turns by one expert six times · burst: balanced, but for two tenths of the steps one expert of
/// each layer gets as much as six others.
const std::vector<std::string>& routing_names();

/// none · one: a node · two: at once · cascade: a second one while the job recovers from the first
/// · rejoin: one, and it comes back.
const std::vector<std::string>& failure_names();

/// The policies that are compared when none are named.
const std::vector<std::string>& validation_policies();

/// The configurations to measure, in a fixed order: policies within settings. A setting is a
/// routing and a failure schedule, with node counts {4, 6, 8, 10} dealt out as in a Latin square,
/// so that three of the four meet each pair over three seeds. `quick`: 2 routings, 3 schedules, 4
/// and 6 nodes, one seed. Seeds are seed, seed + 1, … Requires: policies.
std::vector<Case> held_out_cases(const std::vector<std::string>& policies, std::uint64_t seed,
                                 bool quick);

/// The configurations that fix sample sizes and intervals: none of the held-out ones (5 nodes,
/// other seeds). A failure and a rejoin each, of one seed when `quick`, of three otherwise.
std::vector<Case> pilot_cases(const std::vector<std::string>& policies, std::uint64_t seed,
                              bool quick);

/// The list as it is frozen: what is hashed and written before anything is measured.
JsonNode cases_json(const std::vector<Case>& cases);
/// SHA-256 of that on one line.
std::string cases_sha256(const std::vector<Case>& cases);

}  // namespace bethany
