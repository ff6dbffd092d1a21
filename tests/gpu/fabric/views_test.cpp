#include "gpu/fabric/views.h"

#include <rapidcheck.h>

#include <numeric>

#include "sim/placement/binding.h"
#include "tests/gpu/fabric/plans.h"
#include "tests/sim/placement/naive.h"

namespace bethany {
namespace {

using test::random_made_plan;

/// The plan of all ranks' views of a group.
template <class View>
CommPlan of_all(int ranks, const View& view) {
  CommPlan plan;
  for (int rank = 0; rank < ranks; ++rank) plan.push_back(view(rank));
  return plan;
}

std::int64_t sent(const CommPlan& plan) {
  std::int64_t bytes = 0;
  for (const auto& rank : plan) {
    for (const auto& message : rank.sends) bytes += message.bytes;
  }
  return bytes;
}

TEST_CASE("rows go to their experts and back without mismatch, and none are lost") {
  CHECK(rc::check([] {
    const auto made = random_made_plan();
    const int ranks = made.shape.ranks();
    TokenCounts routed(ranks, made.shape.experts);
    for (auto& count : routed.values) count = *rc::gen::inRange<std::int64_t>(0, 20);
    const auto rule = naive::part(dispatches(), *rc::gen::element("lazarus", "even"));
    const auto matrix = rule->matrix(made.shape, made.plan.layers[0], routed);
    RC_ASSERT(matrix.has_value());
    const auto there = of_all(ranks, [&](int r) { return dispatch_messages(*matrix, r, 6); });
    const auto back = of_all(ranks, [&](int r) { return collect_messages(*matrix, r, 6); });
    RC_ASSERT(mismatch(there).value_or("") == "");
    RC_ASSERT(mismatch(back).value_or("") == "");
    const auto traffic = traffic_of(*matrix, 1);
    const auto moved =
        std::accumulate(traffic.sent_outside.begin(), traffic.sent_outside.end(), std::int64_t{0});
    RC_ASSERT(sent(there) == moved * 6);
    RC_ASSERT(sent(back) == moved * 6);
  }));
}

TEST_CASE("the exchange of rows by hand") {
  TokenMatrix matrix(3, 2);
  matrix.at(0, 0, 0) = 7;  // stays
  matrix.at(0, 0, 1) = 2;
  matrix.at(1, 0, 1) = 3;
  matrix.at(1, 2, 0) = 4;
  CHECK(dispatch_messages(matrix, 0, 10).sends == std::vector<PlannedMessage>{{1, 50}});
  CHECK(dispatch_messages(matrix, 0, 10).receives == std::vector<PlannedMessage>{{2, 40}});
  CHECK(collect_messages(matrix, 0, 10).sends == std::vector<PlannedMessage>{{2, 40}});
  CHECK(collect_messages(matrix, 0, 10).receives == std::vector<PlannedMessage>{{1, 50}});
  CHECK(dispatch_messages(matrix, 2, 10).receives.empty());
}

TEST_CASE("the holders of an expert are the ranks that hold it in some slot, once each") {
  CHECK(rc::check([] {
    const auto made = random_made_plan();
    const auto gradients = expert_gradients(made.plan, 5);
    const int experts = made.plan.experts;
    RC_ASSERT(gradients.size() == made.plan.layers.size() * static_cast<std::size_t>(experts));
    for (std::size_t g = 0; g < gradients.size(); ++g) {
      std::vector<int> holders;
      const auto layer = static_cast<int>(g) / experts;
      const auto per_gpu = static_cast<std::size_t>(made.plan.slots_per_gpu());
      for (int rank = 0; rank < made.plan.ranks(); ++rank) {
        const auto node = made.plan.node_slots(layer, rank / made.plan.gpus_per_node);
        const auto gpu = static_cast<std::size_t>(rank % made.plan.gpus_per_node);
        const auto slots = node.subspan(gpu * per_gpu, per_gpu);
        if (std::count(slots.begin(), slots.end(), static_cast<int>(g) % experts) > 0) {
          holders.push_back(rank);
        }
      }
      RC_ASSERT(gradients[g].holders == holders);
    }
  }));
}

TEST_CASE("the reduction of unequal groups has no mismatch and moves 2 (g - 1) sizes a gradient") {
  CHECK(rc::check([] {
    const auto made = random_made_plan();
    const int ranks = made.shape.ranks();
    const auto values = *rc::gen::inRange<std::int64_t>(1, 40);
    const auto gradients = expert_gradients(made.plan, values);
    const auto scatter =
        of_all(ranks, [&](int r) { return reduce_messages(gradients, r).scatter; });
    const auto gather = of_all(ranks, [&](int r) { return reduce_messages(gradients, r).gather; });
    RC_ASSERT(mismatch(scatter).value_or("") == "");
    RC_ASSERT(mismatch(gather).value_or("") == "");
    std::int64_t least = 0;
    for (const auto& g : gradients) least += (std::ssize(g.holders) - 1) * values * 4;
    RC_ASSERT(sent(scatter) == least);
    RC_ASSERT(sent(gather) == least);
  }));
}

TEST_CASE("the slices of a gradient: the first holders have one value more, some may have none") {
  const std::vector<SharedGradient> gradients = {{{1, 4, 5}, 8}, {{0, 1}, 1}, {{1}, 9}};
  const auto view = reduce_view(gradients, 1);
  REQUIRE(view.own.size() == 2);
  CHECK((view.own[0].peer == 4 && view.own[0].first == 0 && view.own[0].values == 3));
  CHECK((view.own[1].peer == 5 && view.own[1].first == 0 && view.own[1].values == 3));
  REQUIRE(view.theirs.size() == 3);
  CHECK((view.theirs[0].peer == 4 && view.theirs[0].first == 3 && view.theirs[0].values == 3));
  CHECK((view.theirs[1].peer == 5 && view.theirs[1].first == 6 && view.theirs[1].values == 2));
  CHECK((view.theirs[2].peer == 0 && view.theirs[2].gradient == 1 && view.theirs[2].values == 1));
  CHECK(reduce_view(gradients, 3).own.empty());
  CHECK(reduce_view(gradients, 3).theirs.empty());
}

TEST_CASE("a plan change has no mismatch") {
  CHECK(rc::check([] {
    const auto before = random_made_plan();
    auto after = before;
    // The same places in another order stand for any other plan of these nodes.
    const auto shift = *rc::gen::inRange<std::ptrdiff_t>(0, before.plan.nodes);
    for (auto& layer : after.plan.layers) {
      std::rotate(layer.expert_of_slot.begin(),
                  layer.expert_of_slot.begin() + shift * after.plan.slots_per_node,
                  layer.expert_of_slot.end());
    }
    Holdings holdings{.plan = &before.plan, .place_of = {}};
    for (int node = 0; node < before.plan.nodes; ++node) holdings.place_of.push_back(node);
    holdings.place_of[0] = *rc::gen::element(0, -1);
    RC_PRE(state_is_complete(holdings));
    const auto binding = keep_places(after.plan, holdings, {.dense_bytes = 70, .expert_bytes = 9},
                                     BindingMethod::min_cost);
    const auto plan = of_all(before.plan.nodes,
                             [&](int rank) { return migration_messages(binding.transfers, rank); });
    RC_ASSERT(mismatch(plan).value_or("") == "");
    RC_ASSERT(sent(plan) == binding.summary.total_bytes);
  }));
}

}  // namespace
}  // namespace bethany
