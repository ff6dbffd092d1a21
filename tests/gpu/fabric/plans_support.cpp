#include <rapidcheck.h>

#include "tests/gpu/fabric/plans.h"
#include "tests/sim/placement/naive.h"

namespace bethany::test {

MadePlan random_made_plan() {
  const int gpus = *rc::gen::inRange(1, 3);
  const int nodes = *rc::gen::inRange(1, 7);
  const int slots = gpus * *rc::gen::inRange(1, 5);
  const int experts = *rc::gen::inRange(1, nodes * slots + 1);
  const auto policy =
      *rc::gen::element(std::pair("proportional", "mro"), std::pair("uniform", "spread"),
                        std::pair("proportional", "compact"));
  MadePlan made{.shape = naive::shape(nodes, slots, experts, gpus), .plan = {}};
  LoadMatrix loads(*rc::gen::inRange(1, 4), experts);
  for (auto& load : loads.values) load = *rc::gen::inRange<std::int64_t>(1, 1000);
  auto rng = RngStreams(1, 0).stream("test");
  auto plan = make_plan(*naive::part(allocations(), policy.first),
                        *naive::part(placements(), policy.second), made.shape, LayerOrder::aligned,
                        loads, rng);
  RC_PRE(std::holds_alternative<PlacementPlan>(plan));
  made.plan = std::get<PlacementPlan>(plan);
  return made;
}

}  // namespace bethany::test
