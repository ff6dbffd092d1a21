// The importer of the SmartMoE log, against the reader of the other tests and the published table
// of its statistics.

#include <map>

#include "sim/model/routing_source.h"
#include "tests/real_trace/smartmoe.h"

namespace bethany {
namespace {

using namespace smartmoe;

RoutingLoad imported(const RoutingShape& shape, const std::string& options) {
  const auto text = fmt::format(R"({{"file":"{}/smartmoe-GPL3/moe_trace",{}}})",
                                std::getenv("BETHANY_TRACES"), options);
  const auto node = parse_json(text, "s.json");
  ObjectReader reader(node, "/routing");
  return read_routing_source(reader)->generate(shape, RngStreams(1, 0));
}

/// Each layer as parts of its sum in the log.
std::vector<std::int64_t> selections(const RoutingLoad& load, std::int64_t step, int layer,
                                     std::int64_t sum) {
  std::vector<std::int64_t> parts(static_cast<std::size_t>(load.experts()));
  split_by_largest_remainder(sum, load.shares_at(step).row(layer), parts);
  return parts;
}

TEST_CASE("real trace: smartmoe-log gives the sums of all ranks and micro-batches") {
  const auto load = imported({12, 32, 2}, R"("importer":"smartmoe-log","layers":12)");
  CHECK(load.top_k() == 2);
  CHECK(load.entries().size() == 52);
  CHECK(load.entries().back().step == 5000);
  for (const int iteration : {1, 11, 101, 201, 1001, 4001, 5001}) {
    const auto sums = snapshot(iteration);
    for (int layer = 0; layer < kLayers; ++layer) {
      CHECK(selections(load, iteration - 1, layer, 262144) ==
            sums[static_cast<std::size_t>(layer)]);
    }
  }
  auto alone = no_loads();
  add_file(2301, 0, alone);
  CHECK(selections(load, 2300, 7, 16384) == alone[7]);
}

TEST_CASE("real trace: smartmoe-log with ranks all has the complete iterations") {
  const auto load = imported({24, 32, 2}, R"("ranks":"all")");
  std::vector<std::int64_t> steps;
  for (const auto& entry : load.entries()) steps.push_back(entry.step);
  CHECK(steps == std::vector<std::int64_t>{0, 10, 100, 200, 1000, 4000, 5000});
}

TEST_CASE("real trace: the busiest experts of the whole log, in their own order") {
  // Every snapshot counts the same, whether one rank or all are there.
  std::map<int, Sums> snapshots;
  for (int iteration = 1; iteration <= 5001; iteration += 100) {
    snapshots[iteration] = no_loads();
    add_file(iteration, 0, snapshots[iteration]);
  }
  for (const int iteration : {1, 11, 101, 201, 1001, 4001, 5001}) {
    snapshots[iteration] = snapshot(iteration);
  }
  REQUIRE(snapshots.size() == 52);
  for (const int experts : {8, 12, 16}) {
    const auto load =
        imported({12, experts, 1}, fmt::format(R"("layers":12,"experts":{})", experts));
    for (int layer = 0; layer < kLayers; ++layer) {
      std::vector<std::pair<double, int>> means(kTracedExperts);
      for (int e = 0; e < kTracedExperts; ++e) {
        const auto at = static_cast<std::size_t>(e);
        means[at].second = e;
        for (const auto& [iteration, sums] : snapshots) {
          const auto& row = sums[static_cast<std::size_t>(layer)];
          means[at].first -= static_cast<double>(row[at]) /
                             static_cast<double>(std::accumulate(row.begin(), row.end(), 0L));
        }
      }
      std::sort(means.begin(), means.end());
      std::vector<int> kept;
      for (int e = 0; e < experts; ++e) kept.push_back(means[static_cast<std::size_t>(e)].second);
      std::sort(kept.begin(), kept.end());
      const auto& row = snapshots[4001][static_cast<std::size_t>(layer)];
      std::vector<std::int64_t> expected;
      for (const int e : kept) expected.push_back(row[static_cast<std::size_t>(e)]);
      const auto sum = std::accumulate(expected.begin(), expected.end(), std::int64_t{0});
      CHECK(selections(load, 4000, layer, sum) == expected);
    }
  }
}

TEST_CASE("real trace: a model smaller than the log needs the keys layers and experts") {
  CHECK_THROWS_WITH(imported({12, 16, 1}, R"("importer":"smartmoe-log")"),
                    Catch::Contains("has 24 MoE layers, the model 12; 'layers': 12 keeps the "
                                    "first 12"));
  CHECK_THROWS_WITH(imported({12, 16, 1}, R"("layers":12)"),
                    Catch::Contains("'experts': 16 keeps the 16 busiest of each layer"));
}

}  // namespace
}  // namespace bethany
