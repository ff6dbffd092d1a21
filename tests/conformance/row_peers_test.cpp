// The cost model finds from a plan alone with how many ranks one exchanges rows.
#include "sim/cost/row_peers.h"

#include <algorithm>
#include <set>

#include "sim/base/random.h"
#include "sim/placement/token_matrix.h"
#include "sim/policy/policy.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

TEST_CASE("row peers: as many as rows really go to, by Lazarus' plans and dispatch") {
  int compared = 0;
  for (const char* preset : {"lazarus", "lazarus+"}) {
    JsonNode node;
    node.member("preset") = JsonNode::of(std::string(preset));
    const Policy policy = read_policy(node, "", preset, nullptr);
    for (const int nodes : {2, 3, 4, 6, 9}) {
      for (const std::int64_t skew : {0, 1}) {
        const PlacementShape shape{.nodes = nodes,
                                   .slots_per_gpu = 4,
                                   .experts = 8,
                                   .fault_threshold = policy.fault_threshold};
        LoadMatrix loads(1, 8);
        for (int expert = 0; expert < 8; ++expert) {
          loads.row(0)[static_cast<std::size_t>(expert)] = 1000 / (skew * expert + 1);
        }
        auto rng = RngStreams(1, 0).stream("test/plan");
        const auto plan = std::get<PlacementPlan>(make_plan(
            *policy.allocation, *policy.placement, shape, policy.layer_order, loads, rng));
        const std::vector<std::int64_t> rows(static_cast<std::size_t>(nodes), 4096);
        const auto matrix = policy.dispatch->matrix(shape, plan.layers.front(),
                                                    routed_counts(rows, loads.row(0)));
        REQUIRE(matrix);
        std::vector<std::set<int>> to(rows.size());
        std::vector<std::set<int>> from(rows.size());
        for (int expert = 0; expert < 8; ++expert) {
          for (int i = 0; i < nodes; ++i) {
            for (int j = 0; j < nodes; ++j) {
              if (i == j || matrix->at(expert, i, j) == 0) continue;
              to[static_cast<std::size_t>(i)].insert(j);
              from[static_cast<std::size_t>(j)].insert(i);
            }
          }
        }
        std::size_t most = 0;
        for (std::size_t rank = 0; rank < rows.size(); ++rank) {
          most = std::max({most, to[rank].size(), from[rank].size()});
        }
        INFO(preset << " on " << nodes << " nodes, skew " << skew);
        CHECK(most_row_peers(plan, plan.layers.front()) == static_cast<int>(most));
        ++compared;
      }
    }
  }
  CHECK(compared == 20);
}

}  // namespace
}  // namespace bethany
