// The frontier and the choice of a plan. Plans are judged anew here: balance by a scan of all sets
// of nodes, recovery by all losses, traffic by its definition.

#include "sim/placement/objectives.h"

#include <bit>

#include "tests/sim/placement/naive.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

ObjectiveRequest request_of(int nodes, int slots, int experts, int layers = 2) {
  ObjectiveRequest request{.shape = naive::shape(nodes, slots, experts),
                           .loads = LoadMatrix(layers, experts)};
  for (int l = 0; l < layers; ++l) {
    for (int e = 0; e < experts; ++e) {
      request.loads.row(l)[static_cast<std::size_t>((e + 5 * l) % experts)] = 10000 / (e + 2);
    }
  }
  return request;
}

std::vector<FrontierPlan> plans_of(const ObjectiveRequest& request) {
  auto made = frontier(request);
  REQUIRE(std::holds_alternative<std::vector<FrontierPlan>>(made));
  return std::get<std::vector<FrontierPlan>>(std::move(made));
}

TEST_CASE("what the frontier says of a plan is true") {
  const auto request = request_of(8, 4, 9);
  const auto plans = plans_of(request);
  REQUIRE(plans.size() >= 2);
  for (const auto& each : plans) {
    INFO(each.allocation << " + " << each.placement << " " << each.family);
    const auto masks = naive::hosts(each.plan);
    const auto survivors = naive::survivors(each.plan);
    REQUIRE(each.recovery.size() == 9);
    for (int k = 0; k <= 8; ++k) {
      CHECK(each.recovery[static_cast<std::size_t>(k)] ==
            Approx(static_cast<double>(survivors[static_cast<std::size_t>(k)]) /
                   static_cast<double>(naive::choose(8, k))));
    }
    std::vector<double> traffic(8);
    for (int l = 0; l < 2; ++l) {
      double sum = 0;
      double worst = 0;
      for (const auto load : request.loads.row(l)) sum += static_cast<double>(load);
      for (std::uint32_t inside = 1; inside < 256; ++inside) {
        double held = 0;
        for (std::size_t e = 0; e < 9; ++e) {
          if ((masks[static_cast<std::size_t>(l) * 9 + e] & ~inside) == 0) {
            held += static_cast<double>(request.loads.row(l)[e]);
          }
        }
        worst = std::max(worst, held / std::popcount(inside));
      }
      CHECK(each.max_over_mean[static_cast<std::size_t>(l)] == Approx(worst * 8 / sum));
      for (std::size_t e = 0; e < 9; ++e) {
        const auto mask = masks[static_cast<std::size_t>(l) * 9 + e];
        const double g = std::popcount(mask);
        for (std::size_t n = 0; n < 8; ++n) {
          if ((mask >> n & 1) != 0) traffic[n] += 2 * (g - 1) / g;
        }
      }
    }
    CHECK(each.gradient_traffic == Approx(*std::max_element(traffic.begin(), traffic.end())));
    CHECK(each.off_node_share >= 0);
    CHECK(each.off_node_share <= 1);
  }
}

TEST_CASE("no plan of the frontier is beaten by another, and it holds both choices") {
  const auto request = request_of(10, 6, 16, 3);
  const auto plans = plans_of(request);
  for (const auto& a : plans) {
    for (const auto& b : plans) {
      if (&a == &b) continue;
      bool as_good = b.worst_max_over_mean <= a.worst_max_over_mean - kEqualBalance &&
                     b.gradient_traffic <= a.gradient_traffic;
      for (std::size_t k = 0; k < a.recovery.size(); ++k) {
        as_good = as_good && b.recovery[k] >= a.recovery[k];
      }
      CHECK(!as_good);
    }
  }
  for (const auto objective : {Objective::recovery, Objective::balance}) {
    const auto chosen = std::get<FrontierPlan>(choose_plan(objective, request));
    const auto at = std::find_if(plans.begin(), plans.end(), [&](const FrontierPlan& plan) {
      return plan.plan == chosen.plan;
    });
    CHECK(at != plans.end());
    for (const auto& other : plans) {
      if (objective == Objective::recovery) {
        CHECK(chosen.recovery >= other.recovery);
      } else {
        CHECK(chosen.worst_max_over_mean <= other.worst_max_over_mean + kEqualBalance);
      }
    }
  }
  CHECK(plans.front().worst_max_over_mean <= 1.001);
}

TEST_CASE("dominated plans are shown on request, and marked") {
  auto request = request_of(10, 6, 16);
  const auto kept = plans_of(request);
  request.dominated = true;
  const auto all = plans_of(request);
  REQUIRE(all.size() > kept.size());
  std::size_t marked = 0;
  bool mro = false;
  for (const auto& plan : all) {
    marked += plan.dominated ? 1 : 0;
    mro = mro || (plan.placement == "mro" && plan.allocation == "proportional");
  }
  CHECK(all.size() - marked == kept.size());
  CHECK(mro);
}

TEST_CASE("given parts restrict the plans") {
  auto request = request_of(8, 4, 9);
  request.placement = "spread";
  for (const auto& plan : plans_of(request)) CHECK(plan.placement == "spread");
  request.allocation = "proportional";
  CHECK(plans_of(request).size() == 1);
  request.placement = "core";
  request.allocation = "core";
  for (const auto& plan : plans_of(request)) CHECK(!plan.family.empty());
  request.placement = "cores";
  CHECK_THROWS_AS(frontier(request), InputError);
}

TEST_CASE("too few slots are a reason, not a plan") {
  const auto made = frontier(request_of(2, 2, 9));
  REQUIRE(std::holds_alternative<Infeasible>(made));
  CHECK(!std::get<Infeasible>(made).reason.empty());
}

}  // namespace
}  // namespace bethany
