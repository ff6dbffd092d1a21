// What runs share makes them faster and changes nothing.
#include "sim/study/replay.h"
#include "sim/study/sweep/sweep.h"
#include "sim/training/plan_memory.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

constexpr char kScenario[] = R"({"model": "gpt-s", "training": {"start": "warm"},
    "cluster": {"nodes": 8, "slots_per_gpu": 4},
    "trace": {"generator": "spot", "nodes": 16, "length": "6h"}})";

TEST_CASE("a replay that remembers the plans of others is the replay that does not") {
  for (const auto* name : {"lazarus", "lazarus+", "ds", "ds-ft", "lazarus:placement=repair",
                           "lazarus:placement=random", "lazarus:layer_order=independent"}) {
    INFO(name);
    PlanMemory memory;
    for (const auto* detection : {"5s", "40s"}) {
      auto tree = parse_json(kScenario, "s.json");
      apply_set(tree, std::string("cost.detection=") + detection);
      const auto setup = make_setup(tree);
      const auto policy = build_policy({name, policy_from_text(name, setup.policies)});
      const auto alone = replay(setup, policy);
      REQUIRE(alone.feasible);
      for (int again = 0; again < 2; ++again) {
        const auto together = replay(setup, policy, {}, &memory);
        CHECK(together.digest == alone.digest);
        CHECK(together.recovery.predicted == alone.recovery.predicted);
      }
    }
    const bool shared = std::string(name).find("repair") == std::string::npos &&
                        std::string(name).find("random") == std::string::npos &&
                        std::string(name).find("independent") == std::string::npos;
    CHECK((memory.plan(8, -1) != nullptr) == shared);
  }
}

TEST_CASE("a memory keeps traffic of its own plans only, and has a bound") {
  PlanMemory memory;
  const auto plan = std::make_shared<const PlacementPlan>();
  const auto other = std::make_shared<const PlacementPlan>();
  LayerTraffic layer;
  layer.computed.resize(1000);
  const auto traffic = std::make_shared<const std::vector<LayerTraffic>>(2, layer);
  memory.keep_plan(3, 0, plan);
  memory.keep_plan(3, 0, other);
  CHECK(memory.plan(3, 0) == plan);
  CHECK(memory.plan(4, 0) == nullptr);
  memory.keep_traffic(other, 0, traffic);
  CHECK(memory.traffic(other, 0) == nullptr);
  std::int64_t kept = 0;
  for (std::int64_t entry = 0; entry < 1000; ++entry) {
    memory.keep_traffic(plan, entry, traffic);
    kept += memory.traffic(plan, entry) != nullptr ? 1 : 0;
  }
  CHECK(kept == ((4 << 20) - 200) / (2 * (5 * 1000 * 8 + static_cast<int>(sizeof layer))));
}

TEST_CASE("lines of a sweep do not depend on what was run before") {
  SweepAxes axes;
  axes.grid = {"cost.detection=5s,40s", "training.batch.sequences=2,4"};
  axes.policies = {"lazarus", "lazarus:fault_threshold=1", "lazarus:placement=spread", "ds"};
  axes.replications = 2;
  const auto tree = parse_json(kScenario, "s.json");
  const Sweep forwards(tree, axes);
  const Sweep backwards(tree, axes);
  const std::int64_t runs = forwards.space().runs();
  std::vector<std::string> lines;
  for (std::int64_t r = 0; r < runs; ++r) lines.push_back(forwards.line(r));
  for (std::int64_t r = runs; r-- > 0;) {
    CHECK(backwards.line(r) == lines[static_cast<std::size_t>(r)]);
    if (r % 7 == 0) CHECK(Sweep(tree, axes).line(r) == lines[static_cast<std::size_t>(r)]);
  }
}

}  // namespace
}  // namespace bethany
