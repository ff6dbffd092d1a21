#include "analysis/live_copies.h"

#include "tests/analysis/streams.h"
#include "tests/support/catch.h"

using namespace bethany;
using namespace bethany::streams;

namespace {

TEST_CASE("copies are machines that hold an expert, and losses take them away") {
  LiveCopies copies;
  CHECK_FALSE(copies.known());
  CHECK(copies.lose(nodes({0})).copies == 0);
  // Two layers, two slots a node. Layer 0: {0,0} {0,1} {1,-}; layer 1: {0,1} {0,1} {0,1}.
  PlacementPlan made;
  made.nodes = 3;
  made.slots_per_node = 2;
  made.experts = 2;
  made.layers = {{{3, 2}, {0, 0, 0, 1, 1, kVacant}}, {{3, 3}, {0, 1, 0, 1, 0, 1}}};
  copies.configure(std::make_shared<const PlacementPlan>(made), nodes({7, 5, 9}));
  REQUIRE(copies.known());
  CHECK(copies.least() == 2);
  const auto first = copies.lose(nodes({5, 100}));
  CHECK(first.copies == 4);
  CHECK(first.experts == 4);
  CHECK(first.layers == 2);
  CHECK(first.gone.empty());
  CHECK(copies.least() == 1);
  CHECK(copies.rarest().layer == 0);
  CHECK(copies.rarest().expert == 0);
  CHECK(copies.lose(nodes({5})).copies == 0);  // it holds nothing any more
  const auto second_loss = copies.lose(nodes({7}));
  CHECK(second_loss.copies == 3);
  REQUIRE(second_loss.gone.size() == 1);
  CHECK(second_loss.gone[0].layer == 0);
  CHECK(second_loss.gone[0].expert == 0);
  CHECK(copies.least() == 0);
  copies.configure(nullptr, {});
  CHECK_FALSE(copies.known());
}

}  // namespace
