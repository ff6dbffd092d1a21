#include "analysis/recovery_fold.h"

#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

/// Each expert on nodes e and e + 1 of a ring.
std::shared_ptr<const PlacementPlan> ring(int node_count) {
  PlacementPlan made;
  made.nodes = node_count;
  made.slots_per_node = 2;
  made.experts = node_count;
  LayerPlan layer;
  layer.replicas.assign(static_cast<std::size_t>(node_count), 2);
  for (int node = 0; node < node_count; ++node) {
    const int other = (node + node_count - 1) % node_count;
    layer.expert_of_slot.push_back(std::min(node, other));
    layer.expert_of_slot.push_back(std::max(node, other));
  }
  made.layers.push_back(std::move(layer));
  return std::make_shared<const PlacementPlan>(std::move(made));
}

/// Each expert on three of the nodes, far apart: too much overlap for what a replay spends.
std::shared_ptr<const PlacementPlan> tangle(int node_count) {
  PlacementPlan made;
  made.nodes = node_count;
  made.slots_per_node = 3;
  made.experts = node_count;
  LayerPlan layer;
  layer.replicas.assign(static_cast<std::size_t>(node_count), 3);
  for (int node = 0; node < node_count; ++node) {
    std::vector<std::int32_t> held = {node, (node + 17) % node_count, (node + 59) % node_count};
    std::sort(held.begin(), held.end());
    layer.expert_of_slot.insert(layer.expert_of_slot.end(), held.begin(), held.end());
  }
  made.layers.push_back(std::move(layer));
  return std::make_shared<const PlacementPlan>(std::move(made));
}

}  // namespace

TEST_CASE("plans with equal nodes and host sets share one survival") {
  RecoveryCache cache;
  const auto first = cache.find(four_nodes());
  CHECK(cache.find(four_nodes()) == first);           // equal content in another object
  CHECK(cache.find(plan({1, 1, 0, 0}, 2)) == first);  // other experts on the same host sets
  CHECK(cache.misses() == 1);
  CHECK(cache.find(plan({0, 1, 0, 1}, 2)) != first);
  CHECK(cache.find(plan({0, 0, 1, 1, 1}, 2)) != first);
  CHECK(cache.misses() == 3);
}

TEST_CASE("the cache forgets the oldest plans, not the one in use") {
  RecoveryCache cache;
  const auto kept = cache.find(four_nodes());
  for (int n = 0; n < static_cast<int>(RecoveryCache::kCachedPlans); ++n) {
    cache.find(plan(std::vector<std::int32_t>(static_cast<std::size_t>(n + 5), 0), 1));
  }
  const auto misses = cache.misses();
  CHECK(cache.find(four_nodes()) != kept);
  CHECK(cache.misses() == misses + 1);
  CHECK(kept->probability(1) == 1.0);
}

TEST_CASE("the survival of a plan is that of the exact curve") {
  PlanRecovery four(4, minimal_host_sets(*four_nodes()));
  CHECK(four.guaranteed_losses() == 1);
  CHECK(four.probability(0) == 1.0);
  CHECK(four.probability(1) == 1.0);
  CHECK(four.probability(2) == Approx(2.0 / 3));
  CHECK(four.probability(3) == 0.0);
  CHECK(four.probability(4) == 0.0);
  CHECK(four.probability(5) == 0.0);
  CHECK(four.probability(1'000'000'000) == 0.0);
}

TEST_CASE("losses beyond the curve that is kept extend it") {
  // 20 nodes, all with the one expert: 19 losses are survived.
  const auto wide = plan(std::vector<std::int32_t>(20, 0), 1);
  PlanRecovery survival(20, minimal_host_sets(*wide));
  CHECK(survival.probability(8) == 1.0);
  CHECK(survival.probability(19) == 1.0);
  CHECK(survival.probability(20) == 0.0);
  CHECK(survival.guaranteed_losses() == 19);
}

TEST_CASE("guaranteed losses agree with the exact curve") {
  for (const auto& made : {four_nodes(), three_nodes(), ring(6), plan({0, 0, 0, 1, 1, 1}, 2)}) {
    const auto curve = recovery_curve(*made, 8);
    REQUIRE(curve.has_value());
    CHECK(PlanRecovery(made->nodes, minimal_host_sets(*made)).guaranteed_losses() ==
          curve->guaranteed_losses);
  }
}

TEST_CASE("a plan beyond the exact method gives no prediction, and a note that says so") {
  RecoveryCache cache;
  RecoveryFold fold(&cache);
  fold.started(true);
  fold.configured(tangle(300));
  fold.trained(seconds(10));
  fold.disruption();
  fold.decided(Recovery::in_place, 1);
  const auto summary = fold.summary();
  CHECK_FALSE(summary.predicted.has_value());
  CHECK_FALSE(summary.by_losses.has_value());
  CHECK(summary.note.find("300 nodes") != std::string::npos);
  CHECK(summary.note.find("beyond the exact method") != std::string::npos);
  CHECK(summary.guaranteed_losses_min == 2);  // needs no curve
}

TEST_CASE("a policy that recovers in place without a plan has no prediction") {
  RecoveryCache cache;
  RecoveryFold fold(&cache);
  fold.started(true);
  fold.configured(four_nodes());
  fold.trained(seconds(10));
  fold.configured(nullptr);
  fold.trained(seconds(1));
  fold.disruption();
  fold.decided(Recovery::regroup, 1);
  const auto summary = fold.summary();
  CHECK(summary.regroup == 1);
  CHECK(summary.observed() == 1.0);
  CHECK_FALSE(summary.predicted.has_value());
  CHECK_FALSE(summary.by_losses.has_value());
  CHECK_FALSE(summary.guaranteed_losses_min.has_value());
  CHECK(summary.note.find("no plan") != std::string::npos);
}

TEST_CASE("a plan without a plan before it does not regain a guarantee") {
  RecoveryCache cache;
  RecoveryFold fold(&cache);
  fold.started(true);
  fold.configured(nullptr);
  fold.configured(four_nodes());
  CHECK_FALSE(fold.summary().guaranteed_losses_min.has_value());
}

TEST_CASE("a plan under which nothing was trained has no weight") {
  RecoveryCache cache;
  RecoveryFold fold(&cache);
  fold.started(true);
  fold.configured(three_nodes());
  fold.configured(four_nodes());
  fold.trained(seconds(5));
  const auto summary = fold.summary();
  REQUIRE(summary.by_losses.has_value());
  CHECK((*summary.by_losses)[0] == 1.0);
  CHECK(summary.guaranteed_losses_min == 0);  // it was in force all the same
}

TEST_CASE("certainty stays 1 over long runs") {
  RecoveryCache cache;
  RecoveryFold fold(&cache);
  fold.started(true);
  for (int i = 0; i < 1000; ++i) {
    fold.configured(i % 2 == 0 ? four_nodes() : plan({0, 1, 0, 1}, 2));
    fold.trained(Duration(123'456'789'012'345 + i));
  }
  CHECK((*fold.summary().by_losses)[0] == 1.0);
}
