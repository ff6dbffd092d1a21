#include "sim/cost/row_peers.h"

#include "tests/sim/cost/cost_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

int peers_of(const PlacementPlan& plan) { return most_row_peers(plan, plan.layers.front()); }

TEST_CASE("row peers: rows go where an expert is that the own rank lacks") {
  CHECK(peers_of(same_layers(1, 4, 2, {{0, 1}, {2, 3}})) == 1);
  CHECK(peers_of(same_layers(1, 4, 2, {{0, 1}, {2, 3}, {0, 1}, {2, 3}})) == 2);
  CHECK(peers_of(same_layers(1, 4, 4, {{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}})) == 0);
  // The one that has all sends to none and gets from both.
  CHECK(peers_of(same_layers(1, 3, 3, {{0, 1, 2}, {0, 1}, {0, 1}})) == 2);
  CHECK(peers_of(same_layers(1, 3, 3, {{0, 1, 2}, {0, 1}, {2}})) == 2);
  // Two of three copies on one rank: the other gives of its rows and takes none.
  CHECK(peers_of(same_layers(1, 1, 2, {{0, 0}, {0}})) == 1);
  CHECK(peers_of(same_layers(1, 2, 3, {{0, 0, 1}, {0, 1, 1}, {0, 1}})) == 2);
  // Experts beyond one word of bits.
  CHECK(peers_of(same_layers(1, 130, 2, {{0, 129}, {0, 129}, {0, 64}})) == 2);
  CHECK(peers_of(same_layers(1, 130, 2, {{0, 129}, {0, 129}, {0, 129}})) == 0);
  // Not looked through.
  CHECK(peers_of(same_layers(1, 1, 1, std::vector<std::vector<std::int32_t>>(65, {0}))) == 64);
}

}  // namespace
}  // namespace bethany
