#include "tests/analytic/scenario.h"

#include <fmt/format.h>

#include "sim/study/replay.h"
#include "sim/study/setup.h"

namespace bethany::test {

Outcome replayed(const std::string& scenario, const std::string& policy, std::uint64_t seed) {
  JsonNode tree = parse_json(scenario, "scenario");
  tree.member("seed") = JsonNode::of(static_cast<std::int64_t>(seed));
  const Setup setup = make_setup(tree);
  const auto chosen = choose_policies(setup, {policy});
  Outcome outcome;
  outcome.run = replay(setup, build_policy(chosen.front()));
  outcome.trace = setup.trace_stamp.statistics;
  return outcome;
}

std::string small_scenario(const SmallScenario& parts) {
  return fmt::format(
      R"({{"bethany_scenario": 1,
          "model": {{"layers": 1, "hidden": 8, "experts": {}, "expert_parameters": 1000,
                     "dense_parameters": 1000}},
          "training": {{"batch": {{"sequences": 1}}, "start": "warm", "until": {}}},
          "cluster": {{"nodes": {}, "slots_per_gpu": 1}},
          "trace": {}, "routing": {{"generator": "uniform"}},
          "cost": {{"model": "fixed", {}}}, "policies": {{{}}}}})",
      parts.experts, parts.until, parts.nodes, parts.trace, parts.cost, parts.policies);
}

}  // namespace bethany::test
