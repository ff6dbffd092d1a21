#include "traces/routing_statistics.h"

#include <cmath>

#include "sim/model/routing_load_file.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

RoutingLoad load_of(const std::string& entries) {
  return parse_routing_load(
      "{\"bethany_routing\":1,\"layers\":2,\"experts\":4,\"top_k\":1}\n" + entries, "f");
}

/// Half the mean difference of all pairs over the mean: another way to Gini's number.
double gini_by_pairs(const std::vector<double>& values) {
  double differences = 0;
  double sum = 0;
  for (const double a : values) {
    sum += a;
    for (const double b : values) differences += std::abs(a - b);
  }
  const auto count = static_cast<double>(values.size());
  return differences / (2 * count * sum);
}

TEST_CASE("skew of a routing load: by layer, by step and in all") {
  const auto statistics =
      statistics_of(load_of("{\"step\":0,\"loads\":[[8,4,3,1],[1,1,1,1]]}\n"
                            "{\"step\":3,\"loads\":[[0,0,16,0],[2,2,2,2]]}\n"));
  CHECK(statistics.steps == std::vector<std::int64_t>{0, 3});
  const auto& first = statistics.by_layer[0];
  CHECK(first.skew == Approx((2.0 + 4.0) / 2));
  CHECK(first.balancedness == Approx((0.5 + 0.25) / 2));
  CHECK(first.top1 == Approx((0.5 + 1.0) / 2));
  CHECK(first.top4 == Approx(1));
  CHECK(first.top8 == Approx(1));
  CHECK(first.idle_experts == Approx(1.5));
  CHECK(first.gini == Approx((gini_by_pairs({8, 4, 3, 1}) + gini_by_pairs({0, 0, 16, 0})) / 2));
  CHECK(statistics.by_layer[1].skew == Approx(1));
  CHECK(statistics.by_layer[1].gini == Approx(0).margin(1e-9));
  CHECK(statistics.by_entry[1].skew == Approx((4.0 + 1.0) / 2));
  CHECK(statistics.all.skew == Approx((2.0 + 1 + 4 + 1) / 4));
}

TEST_CASE("drift is over pairs of entries exactly so far apart") {
  const auto statistics =
      statistics_of(load_of("{\"step\":0,\"loads\":[[1,1,0,0],[1,0,0,0]]}\n"
                            "{\"step\":10,\"loads\":[[0,0,1,1],[1,0,0,0]]}\n"
                            "{\"step\":20,\"loads\":[[0,1,1,0],[1,0,0,0]]}\n"
                            "{\"step\":60,\"loads\":[[0,1,1,0],[0,1,0,0]]}\n"));
  REQUIRE(statistics.drift.size() == 2);
  CHECK(statistics.drift[0].lag == 10);
  CHECK(statistics.drift[0].pairs == 2);
  CHECK(statistics.drift[0].by_layer[0] == Approx((1 + 0.5) / 2));
  CHECK(statistics.drift[0].by_layer[1] == 0);
  CHECK(statistics.drift[0].distance == Approx(0.375));
  CHECK(statistics.drift[1].lag == 50);
  CHECK(statistics.drift[1].pairs == 1);
  CHECK(statistics.drift[1].distance == Approx((0.5 + 1) / 2));
}

TEST_CASE("a load with none of the usual lags shows those it has") {
  const auto statistics =
      statistics_of(load_of("{\"step\":0,\"loads\":[[1,0,0,0],[1,0,0,0]]}\n"
                            "{\"step\":7,\"loads\":[[0,1,0,0],[0,1,0,0]]}\n"
                            "{\"step\":14,\"loads\":[[0,1,0,0],[0,1,0,0]]}\n"
                            "{\"step\":18,\"loads\":[[1,0,0,0],[1,0,0,0]]}\n"));
  REQUIRE(statistics.drift.size() == 2);
  CHECK(statistics.drift[0].lag == 4);
  CHECK(statistics.drift[0].distance == 1);
  CHECK(statistics.drift[1].lag == 7);
  CHECK(statistics.drift[1].distance == Approx(0.5));
  CHECK(statistics_of(load_of("{\"step\":0,\"loads\":[[1,0,0,0],[1,0,0,0]]}\n")).drift.empty());
}

}  // namespace
