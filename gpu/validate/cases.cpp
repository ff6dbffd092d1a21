#include "gpu/validate/cases.h"

#include <fmt/format.h>

#include <array>

#include "sim/base/check.h"
#include "sim/base/digest.h"

namespace bethany {
namespace {

constexpr std::array kNodes{4, 6, 8, 10};
constexpr std::size_t kSeeds = 3;
constexpr int kPilotNodes = 5;
constexpr std::uint64_t kPilotSeedBeyond = 1000;  // no held-out list comes so far

/// What policies are compared under, of one seed.
std::vector<Case> settings(std::size_t shift, std::uint64_t seed, bool quick) {
  const std::vector<std::string> few_routings{"balanced", "zipf"};
  const std::vector<std::string> few_failures{"none", "one", "rejoin"};
  const auto& routings = quick ? few_routings : routing_names();
  const auto& failures = quick ? few_failures : failure_names();
  const std::size_t node_counts = quick ? 2 : kNodes.size();
  std::vector<Case> made;
  for (std::size_t r = 0; r < routings.size(); ++r) {
    for (std::size_t f = 0; f < failures.size(); ++f) {
      made.push_back({.policy = "",
                      .routing = routings[r],
                      .nodes = kNodes[(r + f + shift) % node_counts],
                      .failures = failures[f],
                      .seed = seed});
    }
  }
  return made;
}

}  // namespace

std::string Case::setting() const {
  return fmt::format("{} on {} nodes, failures {}, seed {}", routing, nodes, failures, seed);
}

std::string Case::name() const { return policy + ", " + setting(); }

const std::vector<std::string>& routing_names() {
  static const std::vector<std::string> names{"balanced", "zipf", "drifting", "burst"};
  return names;
}

const std::vector<std::string>& failure_names() {
  static const std::vector<std::string> names{"none", "one", "two", "cascade", "rejoin"};
  return names;
}

const std::vector<std::string>& validation_policies() {
  static const std::vector<std::string> names{"lazarus", "lazarus+", "ds", "ds-ft",
                                              "lazarus:placement=spread"};
  return names;
}

std::vector<Case> held_out_cases(const std::vector<std::string>& policies, std::uint64_t seed,
                                 bool quick) {
  BETHANY_CHECK(!policies.empty(), "no policy to validate");
  std::vector<Case> cases;
  for (std::size_t draw = 0; draw < (quick ? 1 : kSeeds); ++draw) {
    for (auto& setting : settings(draw, seed + draw, quick)) {
      for (const auto& policy : policies) {
        setting.policy = policy;
        cases.push_back(setting);
      }
    }
  }
  return cases;
}

std::vector<Case> pilot_cases(const std::vector<std::string>& policies, std::uint64_t seed,
                              bool quick) {
  std::vector<Case> cases;
  const std::vector<std::string> failures{"one", "rejoin"};
  for (std::size_t draw = 0; draw < (quick ? 1 : kSeeds); ++draw) {
    for (std::size_t f = 0; f < failures.size(); ++f) {
      for (const auto& policy : policies) {
        cases.push_back({.policy = policy,
                         .routing = routing_names()[(draw + f) % routing_names().size()],
                         .nodes = kPilotNodes,
                         .failures = failures[f],
                         .seed = seed + kPilotSeedBeyond + draw});
      }
    }
  }
  return cases;
}

JsonNode cases_json(const std::vector<Case>& cases) {
  std::vector<JsonNode> items;
  for (const auto& each : cases) {
    JsonNode item;
    item.member("policy") = JsonNode::of(each.policy);
    item.member("routing") = JsonNode::of(each.routing);
    item.member("nodes") = JsonNode::of(std::int64_t{each.nodes});
    item.member("failures") = JsonNode::of(each.failures);
    item.member("seed") = JsonNode::of(static_cast<std::int64_t>(each.seed));
    items.push_back(std::move(item));
  }
  return JsonNode::array_of(std::move(items));
}

std::string cases_sha256(const std::vector<Case>& cases) {
  return sha256(to_line(cases_json(cases)));
}

}  // namespace bethany
