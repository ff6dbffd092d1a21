#include "sim/cost/exchange_curves.h"

#include "tests/support/catch.h"

namespace bethany {
namespace {

MeasuredCurve curve(const std::string& key, double start, double per_count, double bandwidth) {
  MeasuredCurve result;
  result.key = key;
  result.operation = Operation::all_to_all;
  result.curve = {.start = start, .per_count = per_count, .bandwidth = bandwidth};
  result.extent_max = 1e6;
  result.count_max = 9;
  return result;
}

TEST_CASE("exchanges: between measured rank counts time is linear, each with its own messages") {
  const std::vector<MeasuredCurve> curves{
      curve("reduce", 100, 0, 0),         // another operation
      curve("all_to_all", 1, 10, 1e3),    // over all
      curve("all_to_all/10", 300, 2, 0),  // in no order
      curve("all_to_all/4", 50, 2, 1e6),
      curve("all_to_all/many", 1e9, 0, 0),
  };
  const ExchangeCurves exchanges(curves, "all_to_all");
  REQUIRE(exchanges.measured());
  const RangeCounter outside;
  const auto seconds = [&](double ranks, double count, double bytes) {
    return exchanges.seconds(ranks, {.count = count, .bytes = bytes}, bytes + 1, outside);
  };
  // Measured ones by their own curve alone.
  CHECK(seconds(4, 3, 5e5) == Approx(50 + 2 * 3 + 0.5));
  CHECK(seconds(10, 9, 5e5) == Approx(300 + 2 * 9));
  // Two messages a peer: 6 of 4 ranks are 10 of 6 and 18 of 10.
  CHECK(seconds(6, 10, 0) == Approx((2 * (50 + 2 * 6) + (300 + 2 * 18)) / 3.0));
  // Fewer than measured: the lowest, with the messages asked for.
  CHECK(seconds(2, 1, 0) == Approx(50 + 2 * 3));
  CHECK(outside.count() == 1);  // 10 messages
  // More: over all, and never less than the highest.
  CHECK(seconds(40, 39, 0) == Approx(1 + 390));
  CHECK(seconds(11, 10, 0) == Approx(300 + 2 * 9));
  CHECK(outside.count() == 3);
  CHECK(seconds(4, 3, 2e6) == Approx(50 + 2 * 3 + 2));
  CHECK(outside.count() == 4);
}

TEST_CASE("exchanges: without curves of rank counts the one over all answers") {
  const std::vector<MeasuredCurve> curves{curve("all_to_all", 1, 10, 1e3)};
  const RangeCounter outside;
  CHECK(ExchangeCurves(curves, "all_to_all").seconds(5, {.count = 4, .bytes = 500}, 500, outside) ==
        Approx(41.5));
  CHECK_FALSE(ExchangeCurves(curves, "reduce").measured());
}

}  // namespace
}  // namespace bethany
